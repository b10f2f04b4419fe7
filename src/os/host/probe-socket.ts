import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** What is found at the path of a socket by connecting to it. */
export type SocketProbe<T> =
  /** Somebody listens. */
  | { readonly state: 'live'; readonly seen: T }
  /** refused: nobody listens, what is there is left over · absent: there is nothing. */
  | { readonly state: 'refused' | 'absent' }
  /** It cannot be told: `why` is the errno, as EACCES. */
  | { readonly state: 'unknown'; readonly why: string }

/** Connects and hangs up; `look` has the connected socket meanwhile. */
export function probeSocket<T = undefined>(
  path: string,
  look: (socket: Socket) => T = () => undefined as T,
): Promise<SocketProbe<T>> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      const seen = look(probe)
      probe.destroy()
      resolve({ state: 'live', seen })
    })
    probe.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') resolve({ state: 'refused' })
      else if (code === 'ENOENT') resolve({ state: 'absent' })
      else resolve({ state: 'unknown', why: code })
    })
  })
}
