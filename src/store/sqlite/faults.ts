import { SpindleError, messageOf } from '../../runtime/errors.ts'

/** Primary result codes of SQLite, which are the low byte of its codes. */
const CODE = {
  ERROR: 1,
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  SCHEMA: 17,
  MISMATCH: 20,
  NOTADB: 26,
}
/** The file ends where it should go on. */
const SHORT_READ = CODE.IOERR | (2 << 8)

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
  return code === CODE.CORRUPT || code === CODE.NOTADB || fullCode(thrown) === SHORT_READ
}

/** At the start also what says that the tables are not those that were made. */
export function isCorruptAtStart(thrown: unknown): boolean {
  const code = primaryCode(thrown)
  return isCorrupt(thrown) || code === CODE.ERROR || code === CODE.SCHEMA || code === CODE.MISMATCH
}

/** What a caller is told of something SQLite said. */
export function sqliteFault(thrown: unknown, path: string): SpindleError {
  if (thrown instanceof SpindleError) return thrown
  const code = primaryCode(thrown)
  if (code === undefined && isOfFiles(thrown))
    return new SpindleError('store_unavailable', `the store ${path}: ${messageOf(thrown)}`, {
      cause: thrown,
    })
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

/** ENOENT, EACCES, ENOSPC … */
function isOfFiles(thrown: unknown): boolean {
  return thrown instanceof Error && 'syscall' in thrown && 'errno' in thrown
}

function primaryCode(thrown: unknown): number | undefined {
  const code = fullCode(thrown)
  return code === undefined ? undefined : code & 0xff
}

function fullCode(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('errcode' in thrown)) return undefined
  const { errcode } = thrown
  return typeof errcode === 'number' ? errcode : undefined
}
