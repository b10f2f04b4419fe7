import { SpindleError } from '../runtime/errors.ts'

export interface PemBlock {
  /** Counted from 1, for messages. */
  readonly number: number
  readonly label: string
  readonly der: Buffer
  /** RFC 1421's `Proc-Type: 4,ENCRYPTED` header, as OpenSSL's traditional keys have it. */
  readonly encrypted: boolean
}

const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9 ]{1,40})-----$/
const BASE64_LINE = /^[A-Za-z0-9+/]+={0,2}$/
const HEADER_LINE = /^[A-Za-z-]{1,40}: /

/**
 * Reads PEM (RFC 7468) strictly: whole blocks and blank lines, nothing else, so that a file cut short or glued together
 * wrongly is a fault and not a shorter list. Messages never quote the text, which may be a key.
 * @throws SpindleError `certificate_invalid` naming `place` and the block.
 */
export function readPemBlocks(pem: string, place: string): readonly PemBlock[] {
  const blocks: PemBlock[] = []
  let open: { label: string; lines: string[]; headers: string[] } | undefined
  for (const [index, raw] of pem.split('\n').entries()) {
    const line = raw.trimEnd()
    const number = blocks.length + 1
    const [, edge, label] = BOUNDARY.exec(line) ?? []
    if (edge === 'BEGIN' && label !== undefined) {
      if (open !== undefined) throw invalid(place, `block ${number} has no END line`)
      open = { label, lines: [], headers: [] }
    } else if (edge === 'END') {
      if (open?.label !== label) throw invalid(place, `block ${number}: END does not match BEGIN`)
      if (open !== undefined) blocks.push(closed(open, number, place))
      open = undefined
    } else if (open === undefined) {
      if (line !== '') throw invalid(place, `line ${index + 1}: text outside the PEM blocks`)
    } else if (HEADER_LINE.test(line) && open.lines.length === 0) {
      open.headers.push(line)
    } else if (line !== '') {
      open.lines.push(line)
    }
  }
  if (open !== undefined) throw invalid(place, `block ${blocks.length + 1} has no END line`)
  return blocks
}

function closed(
  open: {
    readonly label: string
    readonly lines: readonly string[]
    readonly headers: readonly string[]
  },
  number: number,
  place: string,
): PemBlock {
  const { label, lines, headers } = open
  const text = lines.join('')
  const der = Buffer.from(text, 'base64')
  // Node decodes what it can and passes over the rest; only text that comes back the same was base64.
  const exact = lines.every((line) => BASE64_LINE.test(line)) && der.toString('base64') === text
  if (!exact) throw invalid(place, `block ${number} is not base64`)
  if (der.length === 0) throw invalid(place, `block ${number} is empty`)
  const encrypted = headers.some((header) => /^Proc-Type: .*ENCRYPTED/.test(header))
  return { number, label, der, encrypted }
}

/** One PEM block with lines of 64 characters (RFC 7468 2) and a newline at its end. */
export function toPem(
  der: Uint8Array,
  label: 'CERTIFICATE' | 'PRIVATE KEY' | 'PUBLIC KEY',
): string {
  const text = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  let pem = `-----BEGIN ${label}-----\n`
  for (let at = 0; at < text.length; at += 64) pem += `${text.slice(at, at + 64)}\n`
  return `${pem}-----END ${label}-----\n`
}

function invalid(place: string, fault: string): SpindleError {
  return new SpindleError('certificate_invalid', `${place}: ${fault}`)
}
