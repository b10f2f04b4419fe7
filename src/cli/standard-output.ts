/** A standard stream of this process: written to without waiting, and known to be out before the process ends. */
import type { Writable } from 'node:stream'

export interface StandardOutput {
  write(text: string): void
  /** Writes that have failed so far. After a disk was full, those that come later may not. */
  readonly failures: number
  /** Aborted once nothing more can be written. */
  readonly closed: AbortSignal
  /**
   * Resolves once all that was written is taken, or never will be: to why not, as `ENOSPC`. A reader that went away, as
   * `| head` does, is no reason.
   */
  flushed(): Promise<string | undefined>
}

/** A pipe takes 64 KiB, and the rest is this process's to keep until it is read. */
export function openStandardOutput(stream: Writable): StandardOutput {
  const closed = new AbortController()
  let failures = 0
  let fault: NodeJS.ErrnoException | undefined
  const failed = (error: NodeJS.ErrnoException): void => {
    fault ??= error
    closed.abort()
  }
  stream.on('error', failed)
  return {
    write: (text) => void stream.write(text, (error) => (failures += error ? 1 : 0)),
    get failures() {
      return failures
    },
    closed: closed.signal,
    async flushed() {
      await new Promise<void>((resolve) => {
        stream.write('', (error) => {
          if (error) failed(error)
          resolve()
        })
      })
      return fault === undefined || fault.code === 'EPIPE' ? undefined : (fault.code ?? '')
    },
  }
}
