/**
 * A client of the SPIFFE Workload API, of any agent that serves it (SPIFFE_Workload_API, SPIFFE_Workload_Endpoint): Spindle's,
 * SPIRE's, or another. It relies on the standard alone, and passes on only what it has read and found to fit.
 */
import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { SpiffeWorkloadAPI } from '#spiffe/workload/workload_pb.js'
import type { Clock } from '../runtime/clock.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { Random } from '../runtime/random.ts'
import { systemRandom } from '../runtime/random.ts'
import type { Endpoint } from '../spiffe/endpoint.ts'
import { checkedAudience } from '../spiffe/jwt-svid.ts'
import type { SpiffeId } from '../spiffe/spiffe-id.ts'
import { shownAddress } from '../wire/client.ts'
import type { FetchedJwts, JwtBundlesUpdate, ValidatedJwt } from './jwt.ts'
import { readJwtBundles, readJwts, readValidated } from './jwt.ts'
import { createLine } from './line.ts'
import type { Stream, Timing, Watch } from './watch.ts'
import { bounded, noAnswer, watchStream } from './watch.ts'
import type { X509BundlesUpdate, X509Update } from './x509.ts'
import { readX509, readX509Bundles } from './x509.ts'

export interface WorkloadClientOptions {
  readonly clock?: Clock
  readonly random?: Random
  /** Of each call that ends by itself, and of the first message of a stream. */
  readonly deadlineMs?: number
  /** Between attempts of a watch. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number }
}

/**
 * Each question throws a SpindleError: `no_identity` (PERMISSION_DENIED), `not_ready` (UNAVAILABLE), `unreachable` (nobody
 * there, or no answer in time), `unsupported` (UNIMPLEMENTED), `request_invalid` (INVALID_ARGUMENT), `agent_failed` (what came
 * breaks a rule, and is discarded).
 */
export interface WorkloadClient {
  fetchX509(): Promise<X509Update>
  fetchX509Bundles(): Promise<X509BundlesUpdate>
  fetchJwtBundles(): Promise<JwtBundlesUpdate>
  /** `spiffeId`: of the identity wanted; absent for all. */
  fetchJwt(request: {
    readonly audience: readonly string[]
    readonly spiffeId?: SpiffeId
  }): Promise<FetchedJwts>
  /** `request_invalid` is also what an agent says of a token that is not valid. */
  validateJwt(request: { readonly audience: string; readonly svid: string }): Promise<ValidatedJwt>
  /** See `watchStream`. */
  watchX509(watch: Watch<X509Update>): Promise<void>
  watchX509Bundles(watch: Watch<X509BundlesUpdate>): Promise<void>
  watchJwtBundles(watch: Watch<JwtBundlesUpdate>): Promise<void>
  /** Ends the watches, too. */
  close(): void
}

const DEADLINE_MS = 10_000
/** An agent that has gone is back within a second or two; the wait never gets so long that a new entry is noticed late. */
const BACKOFF = { baseMs: 100, maxMs: 5_000 }

/** Nothing is connected before it is asked something. */
export function createWorkloadClient(
  endpoint: Endpoint,
  options: WorkloadClientOptions = {},
): WorkloadClient {
  const { clock = systemClock, deadlineMs = DEADLINE_MS } = options
  const timing: Timing = {
    clock,
    random: options.random ?? systemRandom,
    firstMessageMs: deadlineMs,
    backoff: options.backoff ?? BACKOFF,
  }
  const shown = shownAddress(endpoint)
  const line = createLine(endpoint, clock)
  const closing = new AbortController()
  const { method } = SpiffeWorkloadAPI

  const stream = <I extends DescMessage, O extends DescMessage, T>(
    rpc: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    read: (message: MessageShape<O>) => T,
  ): Stream<MessageShape<O>, T> => ({
    shown,
    read,
    open: (signal) => line.stream(rpc, request, { signal }),
  })
  const first = async <M, T>({ open, read }: Stream<M, T>): Promise<T> => {
    const wait = bounded(closing.signal, clock, deadlineMs)
    try {
      for await (const message of open(wait.signal)) return read(message)
    } finally {
      wait.close()
    }
    if (wait.isOver()) throw noAnswer(shown, deadlineMs)
    throw new SpindleError('unreachable', `${shown} ended the stream without an answer`)
  }
  const watch = <M, T>(source: Stream<M, T>, watched: Watch<T>): Promise<void> => {
    const signal = AbortSignal.any([watched.signal, closing.signal])
    return watchStream(source, { ...watched, signal }, timing)
  }

  const x509 = stream(method.fetchX509SVID, {}, readX509)
  const x509Bundles = stream(method.fetchX509Bundles, {}, readX509Bundles)
  const jwtBundles = stream(method.fetchJWTBundles, {}, readJwtBundles)
  return {
    fetchX509: () => first(x509),
    fetchX509Bundles: () => first(x509Bundles),
    fetchJwtBundles: () => first(jwtBundles),
    async fetchJwt({ audience, spiffeId = '' }) {
      const request = { audience: [...checkedAudience(audience)], spiffeId }
      const response = await line.call(method.fetchJWTSVID, request, { deadlineMs })
      return readJwts(response, { audience: request.audience, now: clock.now() })
    },
    async validateJwt(request) {
      return readValidated(await line.call(method.validateJWTSVID, request, { deadlineMs }))
    },
    watchX509: (watched) => watch(x509, watched),
    watchX509Bundles: (watched) => watch(x509Bundles, watched),
    watchJwtBundles: (watched) => watch(jwtBundles, watched),
    close() {
      closing.abort()
      line.close()
    },
  }
}
