import { createServer } from 'node:net'

/** Why an address cannot be listened on, as EADDRINUSE; undefined: it can, and is let go again. */
export function whyNoListening(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) => resolve(code))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
