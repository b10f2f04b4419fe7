/** The SPIFFE Workload API for the callers of one agent. */
import type { Server, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { SpiffeWorkloadAPI } from '#spiffe/workload/workload_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import { createSlices } from '../../../runtime/slices.ts'
import { serviceDefinition } from '../../../wire/service.ts'
import { statusOf } from '../../../wire/status.ts'
import type { Caller } from '../../match/caller.ts'
import type { Grants } from '../grant/grants.ts'
import type { AnswerOf } from './answer.ts'
import type { StreamRpc, WorkloadCall, WorkloadStreamOptions } from './stream.ts'
import { WorkloadStream } from './stream.ts'
import type { ProfileParts } from './x509.ts'
import { createX509Bundles, createX509Svids } from './x509.ts'

export interface WorkloadOptions extends ProfileParts, Omit<WorkloadStreamOptions, 'pushes'> {
  readonly grants: Grants
  /** The caller of a call, as the transport knows it. */
  readonly callerOf: (call: { getAuthContext(): unknown }) => Caller
}

export interface Workload {
  readonly streams: ReadonlySet<WorkloadStream>
  /** Streams that have something to be told and were not yet. */
  readonly pushesWaiting: number
  addTo(server: Server): void
  /** Ends every stream with UNAVAILABLE: clients come back. */
  endStreams(why: string): void
}

/** Streams that are looked at in one turn of the event loop. */
const STREAMS_A_TURN = 200

export function createWorkload(options: WorkloadOptions): Workload {
  const streams = new Set<WorkloadStream>()
  const pushes = createSlices<WorkloadStream>(STREAMS_A_TURN, (stream) => stream.push())
  const { observer, grants, callerOf } = options
  const streamOptions: WorkloadStreamOptions = {
    ...options,
    pushes,
    observer: {
      ...observer,
      opened(stream) {
        streams.add(stream)
        observer.opened(stream)
      },
      closed(stream, error) {
        streams.delete(stream)
        observer.closed(stream, error)
      },
    },
  }
  const streaming =
    (rpc: StreamRpc, answerOf: AnswerOf) =>
    (call: WorkloadCall & Parameters<typeof callerOf>[0]): void =>
      void new WorkloadStream(
        { rpc, call, grant: grants.of(callerOf(call)) },
        answerOf,
        streamOptions,
      )

  return {
    streams,
    get pushesWaiting() {
      return pushes.waiting
    },
    addTo(server) {
      server.addService(serviceDefinition(SpiffeWorkloadAPI), {
        FetchX509SVID: streaming('FetchX509SVID', createX509Svids(options)),
        FetchX509Bundles: streaming('FetchX509Bundles', createX509Bundles(options)),
        FetchJWTSVID: notOffered,
        FetchJWTBundles: streamNotOffered,
        ValidateJWTSVID: notOffered,
        FetchWITSVID: streamNotOffered,
        FetchWITBundles: streamNotOffered,
      })
    },
    endStreams(why) {
      for (const stream of Array.from(streams)) stream.end(new SpindleError('not_ready', why))
    },
  }
}

const notOfferedStatus = () =>
  statusOf(new SpindleError('unsupported', 'this agent does not offer this call'))

function notOffered(_: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>): void {
  answer(notOfferedStatus())
}

function streamNotOffered(call: Pick<WorkloadCall, 'emit'>): void {
  call.emit('error', notOfferedStatus())
}
