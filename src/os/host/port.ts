import { connect, createServer } from 'node:net'
import type { Clock } from '../../runtime/clock.ts'

/** Why an address cannot be listened on, as EADDRINUSE; undefined: it can, and is let go again. */
export function whyNoListening(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve(code))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

/** Why an address does not take a connection, as ECONNREFUSED; undefined: it does, and is let go again. */
export function whyUnreached(
  { host, port }: { readonly host: string; readonly port: number },
  { clock, deadlineMs }: { readonly clock: Clock; readonly deadlineMs: number },
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const end = (why: string | undefined): void => {
      timer.cancel()
      socket.destroy()
      resolve(why)
    }
    const timer = clock.after(deadlineMs, () => end(`no answer within ${deadlineMs / 1000} s`))
    socket.once('connect', () => end(undefined))
    socket.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => end(code))
  })
}
