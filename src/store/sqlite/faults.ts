import { SpindleError, messageOf } from '../../runtime/errors.ts'

/** Primary result codes of SQLite. */
const CODE = {
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  NOTADB: 26,
}

const PLAIN: ReadonlyMap<number, string> = new Map([
  [CODE.BUSY, 'another process holds it'],
  [CODE.LOCKED, 'another process holds it'],
  [CODE.READONLY, 'it may not be written'],
  [CODE.IOERR, 'the disk failed'],
  [CODE.FULL, 'the disk is full'],
  [CODE.CANTOPEN, 'it cannot be opened'],
])

export function isCorrupt(thrown: unknown): boolean {
  const code = primaryCode(thrown)
  return code === CODE.CORRUPT || code === CODE.NOTADB
}

/** What a caller is told of something SQLite said. */
export function sqliteFault(thrown: unknown, path: string): SpindleError {
  if (thrown instanceof SpindleError) return thrown
  const code = primaryCode(thrown)
  if (code === undefined)
    return new SpindleError('internal', `the store: ${messageOf(thrown)}`, { cause: thrown })
  if (isCorrupt(thrown))
    return new SpindleError(
      'store_corrupt',
      `the store ${path} is damaged: ${messageOf(thrown)}; at the next start it is set aside, and what to do is told`,
      { cause: thrown },
    )
  const plain = PLAIN.get(code)
  const told = plain === undefined ? messageOf(thrown) : `${plain} (${messageOf(thrown)})`
  return new SpindleError(
    plain === undefined ? 'internal' : 'store_unavailable',
    `the store ${path}: ${told}`,
    { cause: thrown },
  )
}

function primaryCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('errcode' in thrown)) return undefined
  const { errcode } = thrown
  return typeof errcode === 'number' ? errcode & 0xff : undefined
}
