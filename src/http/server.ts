import { isIP } from 'node:net'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import type { Health, HealthResult } from '../telemetry/health.ts'
import type { Page } from './page.ts'
import { addPage } from './page.ts'

/** What /metrics answers with; a prom-client Registry is one. */
export interface MetricsText {
  readonly contentType: string
  metrics(): Promise<string>
}

export interface HttpOptions {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  readonly metrics: MetricsText
  readonly health: Health
  readonly clock: Clock
  /** How many the process may open: where they are few, http takes a small share of them. */
  readonly descriptors?: number
  /** Without it `/metrics`, `/live` and `/ready` are all there is. */
  readonly page?: Page | undefined
}

export interface HttpServer {
  /** Where it really listens: `127.0.0.1:9988`, `[::1]:9988`. */
  readonly address: string
  /** Ends every connection; resolves within `CLOSE_MS` even when one of them will not end. */
  close(): Promise<void>
}

const CLOSE_MS = 2000
const REQUEST_MS = 10_000
const KEEP_ALIVE_MS = 5000
/** A scraper, a few probes and people that look; nothing else has business here. */
const MOST_CONNECTIONS = 64
/** Of all descriptors http takes one in so many at most. */
const SHARE_OF_DESCRIPTORS = 16

/**
 * Serves /metrics, /live, /ready and the status page, and nothing that changes anything.
 * @throws SpindleError `listen_failed` when the address cannot be had
 */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  // Loaded here, since it takes longer to load than the rest of an agent that may have http switched off.
  const { default: fastify } = await import('fastify')
  const app: FastifyInstance = fastify({
    logger: false,
    bodyLimit: 1024,
    connectionTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    // fastify's own answer to a malformed URL repeats it, and comes before every hook.
    frameworkErrors: (error, _, reply) => void fail(reply, error),
    http: { maxHeaderSize: 8192, headersTimeout: REQUEST_MS },
  })
  const share = Math.ceil((options.descriptors ?? Infinity) / SHARE_OF_DESCRIPTORS)
  app.server.maxConnections = Math.min(MOST_CONNECTIONS, share)
  guard(app)
  routes(app, options)
  if (options.page !== undefined) addPage(app, options.page, options.clock)
  // fastify opens a second listener of its own for `localhost`, which cannot share a free port.
  const host = options.host === 'localhost' ? '127.0.0.1' : options.host
  try {
    await app.listen({ host, port: options.port })
  } catch (error) {
    await app.close()
    const place = addressText(host, options.port)
    throw new SpindleError('listen_failed', `http.listen ${place}: ${messageOf(error)}`)
  }
  const bound = app.server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port
  return { address: addressText(host, port), close: () => closeWithin(app, options.clock) }
}

function addressText(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

function routes(app: FastifyInstance, { metrics, health }: HttpOptions): void {
  app.get('/metrics', async (_, reply) => {
    const text = await metrics.metrics()
    return reply.type(metrics.contentType).send(text)
  })
  const probe = (path: string, ask: () => Promise<HealthResult>): void => {
    app.get(path, async (_, reply) => {
      const result = await ask()
      return reply.code(result.ok ? 200 : 503).send(result)
    })
  }
  probe('/live', () => health.live())
  probe('/ready', () => health.ready())
  app.setNotFoundHandler((_, reply) => reply.code(404).send({ error: 'not found' }))
  app.setErrorHandler((error, _, reply) => fail(reply, error))
}

function fail(reply: FastifyReply, error: unknown): FastifyReply {
  const status = statusOf(error)
  return reply.code(status).send({ error: status < 500 ? 'bad request' : 'internal' })
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 500
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500
}

/**
 * A page on the web may have a name resolve to this address and have the reader's browser fetch from it (DNS rebinding); its
 * requests carry that name in Host. Scrapers and probes come by address.
 */
function guard(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    if (!isLocalName(request.headers.host ?? ''))
      return reply.code(421).send({ error: 'Host must be an IP address or localhost' })
  })
}

function isLocalName(host: string): boolean {
  const name = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host)
  if (name === null) return false
  return name[1] === undefined
    ? name[2] === 'localhost' || isIP(name[2] ?? '') === 4
    : isIP(name[1]) === 6
}

function closeWithin(app: FastifyInstance, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(CLOSE_MS, () => {
      app.server.closeAllConnections()
      resolve()
    })
    const done = (): void => {
      timer.cancel()
      resolve()
    }
    app.close().then(done, done)
  })
}
