/** The SPIFFE Workload API for the callers of one agent. */
import type { Server, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { SpiffeWorkloadAPI } from '#spiffe/workload/workload_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import { createSlices, onceATurn } from '../../../runtime/slices.ts'
import type { Encoded } from '../../../wire/service.ts'
import { serviceDefinition } from '../../../wire/service.ts'
import { statusOf } from '../../../wire/status.ts'
import type { Caller } from '../../match/caller.ts'
import type { Grants } from '../grant/grants.ts'
import type { AnswerOf } from './answer.ts'
import type { Question } from './ask.ts'
import type { JwtParts } from './jwt.ts'
import { createJwtBundles, createJwtFetch } from './jwt.ts'
import type { StreamRpc, WorkloadCall, WorkloadStreamOptions } from './stream.ts'
import { WorkloadStream } from './stream.ts'
import type { UnaryRpc, Uses, WorkloadObserver } from './uses.ts'
import { trackUses } from './uses.ts'
import type { ValidateParts } from './validate.ts'
import { createValidation } from './validate.ts'
import { createX509Bundles, createX509Svids } from './x509.ts'

export interface WorkloadOptions
  extends
    JwtParts,
    ValidateParts,
    Omit<WorkloadStreamOptions, 'pushes' | 'observer' | 'onWritten'> {
  readonly observer: WorkloadObserver
  readonly grants: Grants
  /** The caller of a call, as the transport knows it. */
  readonly callerOf: (call: { getAuthContext(): unknown }) => Caller
}

export interface Workload {
  readonly streams: ReadonlySet<WorkloadStream>
  /** What connections made of it, by the caller. */
  readonly uses: ReadonlyMap<Caller, Uses>
  /** Streams that have something to be told that has not left yet. */
  readonly unsettled: number
  /** `listen` is called after streams were opened, told something or ended; once for all of a turn. */
  onProgress(listen: () => void): () => void
  addTo(server: Server): void
  /** Ends every stream with UNAVAILABLE: clients come back. */
  endStreams(why: string): void
}

/** Streams that are looked at in one turn of the event loop. */
const STREAMS_A_TURN = 200

export function createWorkload(options: WorkloadOptions): Workload {
  const streams = new Set<WorkloadStream>()
  const listeners = new Set<() => void>()
  const progress = onceATurn(listeners)
  const pushes = createSlices<WorkloadStream>(STREAMS_A_TURN, (stream) => {
    stream.push()
    progress()
  })
  const { grants, callerOf, clock } = options
  const uses = trackUses(options.observer, clock)
  const observer: WorkloadObserver = {
    ...uses,
    opened(stream) {
      streams.add(stream)
      uses.opened(stream)
      progress()
    },
    closed(stream, error) {
      streams.delete(stream)
      uses.closed(stream, error)
      progress()
    },
  }
  const streamOptions = { ...options, observer, pushes, onWritten: progress }
  const unaryOptions = { ...options, observer }
  const streaming =
    (rpc: StreamRpc, answerOf: AnswerOf) =>
    (call: WorkloadCall & Parameters<typeof callerOf>[0]): void => {
      const grant = grants.of(callerOf(call))
      void new WorkloadStream({ rpc, call, grant }, answerOf, streamOptions)
    }

  return {
    streams,
    uses: uses.all,
    get unsettled() {
      return pushes.waiting + [...streams].filter(({ writing }) => writing).length
    },
    onProgress(listen) {
      listeners.add(listen)
      return () => void listeners.delete(listen)
    },
    addTo(server) {
      server.addService(serviceDefinition(SpiffeWorkloadAPI), {
        FetchX509SVID: streaming('FetchX509SVID', createX509Svids(options)),
        FetchX509Bundles: streaming('FetchX509Bundles', createX509Bundles(options)),
        FetchJWTSVID: unary('FetchJWTSVID', unaryOptions, createJwtFetch(options)),
        FetchJWTBundles: streaming('FetchJWTBundles', createJwtBundles(options)),
        ValidateJWTSVID: unary('ValidateJWTSVID', unaryOptions, createValidation(options)),
        FetchWITSVID: notOffered,
        FetchWITBundles: notOffered,
      })
    },
    endStreams(why) {
      for (const stream of Array.from(streams)) stream.end(new SpindleError('not_ready', why))
    },
  }
}

function unary<Request>(
  rpc: UnaryRpc,
  { grants, callerOf, clock, observer }: WorkloadOptions,
  answer: (request: Request, question: Question) => Promise<Encoded>,
) {
  return (call: ServerUnaryCall<Request, Encoded>, done: sendUnaryData<Encoded>): void => {
    const caller = callerOf(call)
    const begun = clock.monotonic()
    const question = { grant: grants.of(caller), call, clock }
    const report = (error: unknown): void =>
      observer.answered(rpc, { caller, ms: clock.monotonic() - begun, error })
    answer(call.request, question).then(
      (value) => {
        report(undefined)
        done(null, value)
      },
      (thrown: unknown) => {
        report(thrown)
        done(statusOf(thrown))
      },
    )
  }
}

/** The WIT profile (SPIFFE_Workload_API 7). */
function notOffered(call: Pick<WorkloadCall, 'emit'>): void {
  call.emit('error', statusOf(new SpindleError('unsupported', 'WIT-SVIDs are not offered here')))
}
