/** What a process executes, asked before every answer: a look that finds what the one before it found makes nothing of it. */
import type { Libc } from '../libc.ts'
import { executableIdentity } from './process.ts'

/** Of struct statx, in words of 32 bits (statx(2)): numbers of 64 bits take two, the lower first. */
const WORDS = 64
const INO = 8
const SIZE = 10
const CTIME = { seconds: 24, nanoseconds: 26 }
const MTIME = { seconds: 28, nanoseconds: 30 }
const DEVICE = { major: 34, minor: 35 }
/** Those that make up an identity. */
const TELLING = [8, 9, 10, 11, 24, 25, 26, 28, 29, 30, 34, 35]

interface Seen {
  readonly words: Uint32Array
  readonly identity: string
}

const LONGEST_PATH = 4096

/**
 * The same answers as `executableIdentity`, and its errors. What was seen of a process is kept for as long as the object that
 * is asked with, which must stand for one process; those that run one program share it.
 */
export function createExecutableLook(
  libc: Pick<Libc, 'statx'>,
  procRoot = '/proc',
): (process: { readonly pid: number }) => string | undefined {
  const path = Buffer.alloc(LONGEST_PATH)
  const words = new Uint32Array(WORDS)
  const out = Buffer.from(words.buffer)
  const seen = new WeakMap<object, Seen>()
  let last: Seen = { words: words.slice(), identity: '' }
  return (process) => {
    path.write(`${procRoot}/${process.pid}/exe\0`)
    // Why it failed, and whether it is only not to be had here, is found out as ever.
    if (libc.statx(path, out) !== 0) return executableIdentity(process.pid, procRoot)
    const before = seen.get(process)
    if (before !== undefined && isSame(before.words, words)) return before.identity
    if (last.identity === '' || !isSame(last.words, words))
      last = { words: words.slice(), identity: identityOf(words) }
    seen.set(process, last)
    return last.identity
  }
}

function isSame(one: Uint32Array, other: Uint32Array): boolean {
  for (const word of TELLING) if (one[word] !== other[word]) return false
  return true
}

/** As of fs.Stats: a device's number is made of its two parts as glibc's makedev(3) does. */
function identityOf(words: Uint32Array): string {
  const word = (at: number): bigint => BigInt(words[at] ?? 0)
  const long = (at: number): bigint => (word(at + 1) << 32n) | word(at)
  const time = ({ seconds, nanoseconds }: typeof CTIME): bigint =>
    BigInt.asIntN(64, long(seconds)) * 1_000_000_000n + word(nanoseconds)
  const [major, minor] = [word(DEVICE.major), word(DEVICE.minor)]
  const device =
    ((major & 0xfffff000n) << 32n) |
    ((minor & 0xffffff00n) << 12n) |
    ((major & 0xfffn) << 8n) |
    (minor & 0xffn)
  return [device, long(INO), long(SIZE), time(MTIME), time(CTIME)].join(':')
}
