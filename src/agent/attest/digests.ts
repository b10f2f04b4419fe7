/**
 * SHA-256 of executables: each file once, whoever asks, and a bounded number of files at a time, taken in turn from the
 * uids that wait, so that a caller with a thousand programs delays its own uid first.
 */
import { sha256OfOpenFile } from '../../os/files.ts'
import type { OpenExecutable } from '../../os/process/process.ts'
import type { Clock } from '../../runtime/clock.ts'

export interface Digests {
  /**
   * @param wanted asked again when the file's turn has come: a caller that left must not be worked for
   * @returns lower-case hex; undefined when the file changed while it was read, or this caller did not want it any more
   * @throws the error of the file system
   */
  sha256(
    executable: OpenExecutable,
    uid: number,
    wanted: () => boolean,
  ): Promise<string | undefined>
}

export interface DigestsOptions {
  readonly clock: Clock
  readonly hash?: (fd: number) => Promise<string | undefined>
  /** Files remembered; 256 if not said. */
  readonly remembered?: number
  /** Files read at a time; 2 if not said. */
  readonly parallel?: number
}

/** ms. A file changed within one tick of the file system's clock shows no other ctime: such a digest is not kept. */
const QUIET_MS = 2_000

export function createDigests(options: DigestsOptions): Digests {
  const hash = options.hash ?? sha256OfOpenFile
  const remembered = options.remembered ?? 256
  const known = new Map<string, string>()
  const running = new Map<string, Promise<string | undefined>>()
  const turns = createTurns(options.parallel ?? 2)

  const recall = (identity: string): string | undefined => {
    const digest = known.get(identity)
    if (digest === undefined) return undefined
    // Last in the map is the one used last.
    known.delete(identity)
    known.set(identity, digest)
    return digest
  }
  const remember = (file: OpenExecutable, digest: string | undefined): void => {
    if (digest === undefined || options.clock.now() - file.changedAt < QUIET_MS) return
    known.set(file.identity, digest)
    const [oldest] = known.keys()
    if (known.size > remembered && oldest !== undefined) known.delete(oldest)
  }
  const read = async (file: OpenExecutable): Promise<string | undefined> => {
    const own = hash(file.fd).finally(() => running.delete(file.identity))
    running.set(file.identity, own)
    const digest = await own
    remember(file, digest)
    return digest
  }
  return {
    async sha256(file, uid, wanted) {
      const { identity } = file
      const found = recall(identity) ?? running.get(identity)
      if (found !== undefined) return found
      // Each waits in the turn of its own uid, and the first to have it reads the file for all.
      const { digest } = await turns(uid, async () => {
        const meanwhile = recall(identity) ?? running.get(identity)
        // Wrapped: whoever waits for another's reading must not take up a place of those who read.
        if (meanwhile !== undefined) return { digest: meanwhile }
        return { digest: wanted() ? await read(file) : undefined }
      })
      return digest
    },
  }
}

/** Runs at most `parallel` jobs at a time; the uids that wait take turns. */
function createTurns(parallel: number): <T>(uid: number, job: () => Promise<T>) => Promise<T> {
  const waiting = new Map<number, (() => Promise<void>)[]>()
  let active = 0
  const next = (): void => {
    const [first] = waiting
    if (first === undefined || active >= parallel) return
    const [uid, jobs] = first
    const job = jobs.shift()
    waiting.delete(uid)
    if (jobs.length > 0) waiting.set(uid, jobs)
    if (job === undefined) return
    active += 1
    void job().finally(() => {
      active -= 1
      next()
    })
  }
  return (uid, job) =>
    new Promise((resolve, reject) => {
      const jobs = waiting.get(uid) ?? []
      jobs.push(() => job().then(resolve, reject))
      waiting.set(uid, jobs)
      next()
    })
}
