/** The forms in which a private key could be written somewhere, as texts to search for. */
import { createPrivateKey } from 'node:crypto'

/** The numbers that make a key private (RFC 7518, 6.2.2 and 6.3.2): whoever has one has the key. */
function secretNumbers(pem: string): Buffer[] {
  const jwk = createPrivateKey(pem).export({ format: 'jwk' })
  const numbers = [jwk.d, jwk.p, jwk.q, jwk.dp, jwk.dq, jwk.qi]
  return numbers.flatMap((text) => (text === undefined ? [] : [Buffer.from(text, 'base64url')]))
}

/** Long enough not to be met by chance, short enough to be met in what was cut off. */
const PART_BYTES = 12

/** Base64 of these bytes wherever they stand in something larger, without the characters their neighbours change. */
function base64Within(bytes: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const first = Math.ceil((before * 8) / 6)
    return text.slice(first, Math.floor(((before + bytes.length) * 8) / 6))
  })
}

function formsOf(part: Buffer): string[] {
  const base64 = base64Within(part)
  // The key as PEM, and that text as bytes of something larger.
  const nested = base64.map((text) => Buffer.from(text))
  const base64Url = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))
  const written = [part, ...nested].flatMap((bytes) => {
    const hex = bytes.toString('hex')
    const pairs = hex.match(/../g) ?? []
    return [
      ...[hex, pairs.join(' '), pairs.join(':')].flatMap((text) => [text, text.toUpperCase()]),
      Array.from(bytes).join(','),
      Array.from(bytes).join(', '),
    ]
  })
  return [
    ...base64,
    ...base64Url,
    ...nested.flatMap(base64Within),
    ...written,
    part.toString('latin1'),
  ]
}

/** Texts of which none may occur where the key of this PEM must not. */
export function keyForms(pem: string): readonly string[] {
  const parts = secretNumbers(pem).flatMap((number) =>
    Array.from({ length: Math.floor(number.length / PART_BYTES) }, (_, index) =>
      number.subarray(index * PART_BYTES, (index + 1) * PART_BYTES),
    ),
  )
  return Array.from(new Set(parts.flatMap(formsOf)))
}

/** Which of the texts occur in `output`, also broken over lines as PEM is, or with the breaks escaped. */
export function found(forms: readonly string[], output: string): readonly string[] {
  const joined = output.replace(/\s+|\\+[nr]/g, '')
  return forms.filter((form) => output.includes(form) || joined.includes(form))
}
