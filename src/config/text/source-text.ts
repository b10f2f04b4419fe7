import { LineCounter, isMap, isScalar, isSeq, parseDocument, visit } from 'yaml'
import type { Document } from 'yaml'
import { holdsKeyText } from '../../runtime/key-text.ts'
import { pathText } from '../fault.ts'
import type { Fault, Path } from '../fault.ts'

/** A text read into plain values, and where in the text each of them stands. */
export interface Source {
  readonly value: unknown
  readonly faults: readonly Fault[]
  locate(path: Path): Position | undefined
}

/** A fault before it is known where in the text its value stands. */
export interface PathFault {
  readonly path: Path
  readonly message: string
}

interface Position {
  readonly line: number
  readonly column: number
}

/** Enough for a shared anchor or two; a few hundred nested ones would expand to gigabytes. */
const MOST_ALIASES = 100

/** Reads one YAML 1.2 document, strictly: duplicate keys, further documents, unknown tags and alias bombs are faults. */
export function readYaml(text: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text.replace(/^\uFEFF/, ''), {
    lineCounter: lines,
    // Its pretty messages quote the text around the fault, which may be a pasted key.
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: true,
  })
  const at = (offset: number): Position => {
    const place = lines.linePos(offset)
    return { line: place.line, column: place.col }
  }
  const faults: Fault[] = [...document.errors, ...document.warnings].map((error) => ({
    path: '',
    message: `is not YAML as it is read here: ${sentence(error.code, error.message)}`,
    ...at(error.pos[0]),
  }))
  faults.push(...forbiddenKeys(document).map((offset) => ({ ...FORBIDDEN, ...at(offset) })))
  if (faults.length > 0) return { value: undefined, faults, locate: () => undefined }
  try {
    const value: unknown = document.toJS({ maxAliasCount: MOST_ALIASES })
    return { value, faults, locate: (path) => locate(document, path, at) }
  } catch {
    const message = `uses aliases that expand too far; at most ${MOST_ALIASES} are followed`
    return { value: undefined, faults: [{ path: '', message }], locate: () => undefined }
  }
}

const FORBIDDEN = { path: '', message: 'the key "__proto__" is not allowed anywhere' } as const

function forbiddenKeys(document: Document): number[] {
  const offsets: number[] = []
  visit(document, {
    Pair(_, pair) {
      if (isScalar(pair.key) && pair.key.value === '__proto__')
        offsets.push(pair.key.range?.[0] ?? 0)
    },
  })
  return offsets
}

function sentence(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'a key stands twice in one mapping'
  if (code === 'MULTIPLE_DOCS') return 'one document is allowed, and a second one begins'
  // Some of its messages quote the text they stumbled over.
  return /["'`]/.test(message) ? code.toLowerCase().replaceAll('_', ' ') : message.slice(0, 200)
}

/** Where the value stands, or, where the path leaves the document, the nearest mapping above it. */
function locate(
  document: Document,
  path: Path,
  at: (offset: number) => Position,
): Position | undefined {
  let node: unknown = document.contents
  let offset: number | undefined
  for (const part of path) {
    let next: unknown
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part)
      if (isScalar(pair?.key)) offset = pair.key.range?.[0]
      next = pair?.value
    } else if (isSeq(node) && typeof part === 'number') {
      next = node.items[part]
      offset = startOf(next) ?? offset
    }
    if (next === undefined || next === null) break
    node = next
  }
  return offset === undefined ? undefined : at(offset)
}

function startOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) ? node.range?.[0] : undefined
}

/** Faults with their places, in the order of the file. */
export function located(source: Source, faults: readonly PathFault[]): readonly Fault[] {
  return faults
    .map(({ path, message }) => ({
      path: pathText(path),
      // A message may quote what stands in the file, and that may be a key pasted to the wrong place.
      message: holdsKeyText(message) ? 'holds a private key, which does not belong here' : message,
      ...source.locate(path),
    }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}
