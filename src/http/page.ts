/** The status page: a fixed set of files, `/api/state` and `/api/events`. */
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../runtime/clock.ts'
import type { Timeline } from '../telemetry/timeline.ts'
import { createEventStreams } from './event-stream.ts'
import type { PageState } from './page-state.ts'

export interface PageFile {
  readonly type: string
  read(): Buffer
}

export interface Page {
  /** By the path of the URL. Nothing else is ever read. */
  readonly files: ReadonlyMap<string, PageFile>
  readonly state: () => Promise<PageState>
  readonly timeline: Pick<Timeline, 'since' | 'subscribe'>
}

/** Own files alone; no line of script or style within the page. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** However many look, and however often: the state is described once in this time, */
const FRESH_MS = 1_000
/** and never for more than this part of the time. */
const SHARE = 1 / 20

export function addPage(app: FastifyInstance, page: Page, clock: Clock): void {
  for (const [path, file] of page.files)
    app.get(path, { exposeHeadRoute: false }, async (_, reply) =>
      reply
        .headers({ 'content-security-policy': CONTENT_SECURITY_POLICY })
        .type(file.type)
        .send(file.read()),
    )
  const state = shared(async () => JSON.stringify(await page.state()), clock)
  app.get('/api/state', { exposeHeadRoute: false }, async (request, reply) => {
    if (isForeign(request)) return reply.code(403).send({ error: 'of another site' })
    return reply.type('application/json; charset=utf-8').send(await state())
  })
  const streams = createEventStreams({ timeline: page.timeline, clock })
  app.get('/api/events', { exposeHeadRoute: false }, async (request, reply) => {
    if (isForeign(request)) return reply.code(403).send({ error: 'of another site' })
    if (!streams.hasRoom) return reply.code(503).send({ error: 'too many are looking already' })
    const lastId = Number(request.headers['last-event-id'] ?? 0)
    reply.hijack()
    streams.open(
      reply.raw,
      reply.getHeaders() as OutgoingHttpHeaders,
      Number.isSafeInteger(lastId) ? lastId : 0,
    )
    return reply
  })
}

/** A page of another site cannot read the answer, but it could have it made; the browser says who asks (Fetch Metadata). */
function isForeign(request: FastifyRequest): boolean {
  const site = request.headers['sec-fetch-site']
  return site !== undefined && site !== 'same-origin' && site !== 'none'
}

/** One answer for all who ask while it is fresh, or being made. */
function shared(make: () => Promise<string>, clock: Clock): () => Promise<string> {
  let latest: Promise<string> | undefined
  let freshUntil = 0
  return () => {
    if (latest !== undefined && clock.monotonic() < freshUntil) return latest
    const began = clock.monotonic()
    const made = make()
    latest = made
    freshUntil = Infinity
    made.then(
      () => {
        const took = clock.monotonic() - began
        freshUntil = began + Math.max(FRESH_MS, took / SHARE)
      },
      () => {
        if (latest === made) latest = undefined
      },
    )
    return made
  }
}
