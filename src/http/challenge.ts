/** One text over HTTP, for as long as a server takes to fetch it: what `http_challenge` asks of a node. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { SpindleError, messageOf } from '../runtime/errors.ts'

export interface ChallengeServer {
  readonly port: number
  /** From now on; until then there is nothing at its path. */
  serve(text: string): void
  close(): Promise<void>
}

const REQUEST_MS = 5_000
const MOST_CONNECTIONS = 16

/**
 * Listens on every address of the host.
 * @param port 0: a free one
 * @throws SpindleError `listen_failed`
 */
export async function startChallengeServer(place: {
  readonly port: number
  readonly path: string
}): Promise<ChallengeServer> {
  const { default: fastify } = await import('fastify')
  const app: FastifyInstance = fastify({
    logger: false,
    bodyLimit: 1024,
    connectionTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    forceCloseConnections: true,
    frameworkErrors: (_, __, reply) => void (reply as FastifyReply).code(400).send(''),
    http: { maxHeaderSize: 8192, headersTimeout: REQUEST_MS },
  })
  app.server.maxConnections = MOST_CONNECTIONS
  let served: string | undefined
  app.get(place.path, async (_, reply) => {
    if (served === undefined) return reply.code(404).send('')
    return reply.type('text/plain').send(served)
  })
  try {
    await listen(app, place.port)
  } catch (thrown) {
    await app.close()
    const why = `authority.attest.port ${place.port}: ${messageOf(thrown)}`
    throw new SpindleError('listen_failed', why, { cause: thrown })
  }
  const bound = app.server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : place.port,
    serve(text) {
      served = text
    },
    close: () => app.close(),
  }
}

async function listen(app: FastifyInstance, port: number): Promise<void> {
  try {
    await app.listen({ host: '::', port })
  } catch (thrown) {
    // A host may have no IPv6.
    if ((thrown as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw thrown
    await app.listen({ host: '0.0.0.0', port })
  }
}
