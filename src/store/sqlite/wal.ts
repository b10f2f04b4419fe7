import { SpindleError } from '../../runtime/errors.ts'

/*
 * SQLite takes its log (https://www.sqlite.org/fileformat2.html#the_write_ahead_log) up to the first frame whose checksum is
 * wrong and drops the rest in silence, since that is how a transaction looks that a power cut fell into. A frame in the middle that
 * changed on the disk looks the same, and what was committed after it would be lost without a word.
 */

const HEADER = 32
const FRAME_HEADER = 24
/** The last bit says in which order the bytes of words are summed. */
const MAGIC = 0x377f0682

interface Frame {
  readonly valid: boolean
  /** Written since the log was last begun: what is left of before has other salts. */
  readonly current: boolean
  readonly commits: boolean
}

/**
 * Whether transactions were committed after a frame that is not as it was written. In the last transaction that cannot be told
 * from a power cut: it is dropped, as SQLite does.
 * @throws SpindleError `store_corrupt`
 */
export function verifyLog(log: Buffer): void {
  if (log.length <= HEADER) return
  const sums = createSums(log.readUInt32BE(0) === MAGIC ? 'little' : 'big')
  sums.add(log, 0, 24)
  const magic = log.readUInt32BE(0)
  if ((magic & ~1) >>> 0 !== MAGIC || !sums.are(log, 24)) throw damaged('the head of its log')
  let lost = 0
  for (const { valid, current, commits } of frames(log, sums)) {
    if (lost === 0 && valid) continue
    if (lost === 0) lost = 1
    if (current && commits) lost++
    // The first commit may be that of the transaction that was cut.
    if (lost > 2) throw damaged('its log')
  }
}

function* frames(log: Buffer, sums: Sums): Iterable<Frame> {
  const pageSize = log.readUInt32BE(8)
  const size = FRAME_HEADER + pageSize
  let broken = false
  for (let at = HEADER; at + size <= log.length; at += size) {
    const current = log.compare(log, 16, 24, at + 8, at + 16) === 0
    if (!broken) {
      sums.add(log, at, at + 8)
      sums.add(log, at + FRAME_HEADER, at + size)
      broken = !current || !sums.are(log, at + 16)
    }
    yield { valid: !broken, current, commits: log.readUInt32BE(at + 4) !== 0 }
  }
}

interface Sums {
  add(bytes: Buffer, from: number, to: number): void
  /** Whether they stand there. */
  are(bytes: Buffer, at: number): boolean
}

function createSums(order: 'little' | 'big'): Sums {
  let [first, second] = [0, 0]
  return {
    add(bytes, from, to) {
      const word =
        order === 'little' ? bytes.readUInt32LE.bind(bytes) : bytes.readUInt32BE.bind(bytes)
      for (let at = from; at < to; at += 8) {
        first = (first + word(at) + second) >>> 0
        second = (second + word(at + 4) + first) >>> 0
      }
    },
    are: (bytes, at) => bytes.readUInt32BE(at) === first && bytes.readUInt32BE(at + 4) === second,
  }
}

function damaged(what: string): SpindleError {
  return new SpindleError('store_corrupt', `the store: ${what} changed on the disk`)
}
