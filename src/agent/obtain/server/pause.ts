import type { Clock } from '../../../runtime/clock.ts'

/** A wait that may be cut short: of one loop, one at a time. */
export interface Pause {
  wait(ms: number): Promise<void>
  /** Ends the wait; the next one, where there is none. */
  wake(): void
  /** Ends this wait and every later one. */
  close(): void
}

export function createPause(clock: Clock): Pause {
  let end: (() => void) | undefined
  let woken = false
  let closed = false
  return {
    wait(ms) {
      if (woken || closed) {
        woken = false
        return Promise.resolve()
      }
      return new Promise((resolve) => {
        end = () => {
          timer.cancel()
          end = undefined
          resolve()
        }
        const timer = clock.after(ms, () => end?.())
      })
    },
    wake() {
      if (end === undefined) woken = true
      else end()
    },
    close() {
      closed = true
      end?.()
    },
  }
}
