import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  read,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SpindleError } from '../runtime/errors.ts'

const temporaryName = (): string => `.${randomUUID()}.tmp`
const TEMPORARY = /^\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/** Removes what `atomicWrite` leaves in a folder when the process is killed in it; nothing may be writing there. */
export function removeTemporaries(folder: string): void {
  for (const name of readdirSync(folder))
    if (TEMPORARY.test(name)) rmSync(join(folder, name), { force: true })
}

/** Removes the files of a folder by their names. */
export function removeFiles(folder: string, isMeant: (name: string) => boolean): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (!entry.isDirectory() && isMeant(entry.name))
      rmSync(join(folder, entry.name), { force: true })
}

/**
 * Replaces a file: a reader finds the old content or the new, also after a power failure, and never a part.
 * @param mode bits of the new file, whatever the umask
 * @throws the error of the file system; the old file is then as it was
 */
export async function atomicWrite(
  path: string,
  data: string | Uint8Array,
  mode: number,
): Promise<void> {
  const temporary = join(dirname(path), temporaryName())
  try {
    // Not readable by others before it has its mode; `wx` follows no link somebody put there.
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(data)
      await file.chmod(mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (thrown) {
    await rm(temporary, { force: true })
    throw thrown
  }
  await syncFolder(dirname(path))
}

/** A rename is lasting once the folder that holds the name is written. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** When a file was last written (ms since the epoch); undefined while it cannot be looked at. */
export function modifiedAt(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs
  } catch {
    return undefined
  }
}

/** A file as it was while it was read, whatever its path has become. */
export interface FileContent {
  readonly content: Buffer
  /** Permission bits. */
  readonly mode: number
}

/**
 * Reads a regular file of at most `maxBytes`.
 * @throws SpindleError `config_invalid` for what is no regular file or is larger; the error of the file system
 */
export function readLimited(path: string, maxBytes: number): Buffer {
  return readWithMode(path, maxBytes).content
}

/**
 * Reads as `readLimited` does, with the mode of the very file that was read.
 * @param flags beside O_RDONLY, such as O_NOFOLLOW
 */
export function readWithMode(path: string, maxBytes: number, flags = 0): FileContent {
  // Non-blocking: opening a FIFO would wait for its writer.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | flags)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new SpindleError('config_invalid', `${path} is not a file`)
    const chunks: Buffer[] = []
    let left = maxBytes + 1
    while (left > 0) {
      const chunk = Buffer.allocUnsafe(Math.min(left, 65_536))
      const count = readSync(fd, chunk, 0, chunk.length, null)
      if (count === 0) return { content: Buffer.concat(chunks), mode: stat.mode & 0o7777 }
      chunks.push(chunk.subarray(0, count))
      left -= count
    }
    throw new SpindleError('config_invalid', `${path} is larger than ${maxBytes} bytes`)
  } finally {
    closeSync(fd)
  }
}

/**
 * What somebody names on the spot, which may be a pipe, as a shell's `<(command)` is: to its end, however long that takes.
 * @throws SpindleError `config_invalid` where it is larger, or a folder; the error of the file system
 */
export async function readToEnd(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    if ((await file.stat()).isDirectory())
      throw new SpindleError('config_invalid', `${path} is a folder`)
    const chunks: Buffer[] = []
    let left = maxBytes
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      chunks.push(chunk as Buffer)
      left -= (chunk as Buffer).length
      if (left < 0)
        throw new SpindleError('config_invalid', `${path} is larger than ${maxBytes} bytes`)
    }
    return Buffer.concat(chunks)
  } finally {
    await file.close()
  }
}

/** Small enough that hashing one does not hold the event loop for more than about a millisecond. */
const SLICE_BYTES = 1024 * 1024

/**
 * SHA-256 of the file an O_PATH descriptor names, read in slices off the event loop's thread.
 * @returns lower-case hex; undefined when the file changed while it was read
 * @throws the error of the file system
 */
export async function sha256OfOpenFile(fd: number): Promise<string | undefined> {
  // Opening the descriptor's link opens that very file, whatever its path has become.
  const readable = openSync(`/proc/self/fd/${fd}`, 'r')
  try {
    const before = changeMark(readable)
    const hash = createHash('sha256')
    const slice = Buffer.allocUnsafe(SLICE_BYTES)
    for (let count = await readSlice(readable, slice); count > 0;) {
      hash.update(slice.subarray(0, count))
      count = await readSlice(readable, slice)
    }
    return changeMark(readable) === before ? hash.digest('hex') : undefined
  } finally {
    closeSync(readable)
  }
}

function readSlice(fd: number, into: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, into, 0, into.length, null, (error, count) => (error ? reject(error) : resolve(count)))
  })
}

function changeMark(fd: number): string {
  const { size, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true })
  return [size, mtimeNs, ctimeNs].join(':')
}
