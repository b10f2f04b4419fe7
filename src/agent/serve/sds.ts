/** Envoy's Secret Discovery Service (envoy.service.secret.v3) for the callers of one agent. */
import type { Server, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import type {
  DeltaDiscoveryRequest,
  DiscoveryRequest,
} from '#envoy/service/discovery/v3/discovery_pb.js'
import { SecretDiscoveryService } from '#envoy/service/secret/v3/sds_pb.js'
import { SpindleError } from '../../runtime/errors.ts'
import { createSlices, onceATurn } from '../../runtime/slices.ts'
import { Encoded, serviceDefinition } from '../../wire/service.ts'
import { statusOf } from '../../wire/status.ts'
import { validatorFlavour } from '../../xds/flavour.ts'
import type { Resource } from '../../xds/resource.ts'
import type { Caller } from '../match/caller.ts'
import { DELTA, nodeFacts, readSotw, SOTW } from './dialect.ts'
import { fetchWhatIsThere } from './fetch.ts'
import type { Grants } from './grant/grants.ts'
import type { SidecarParts } from './sidecar.ts'
import { Sidecar } from './sidecar.ts'
import type { SdsCall, SdsStream, StreamObserver, StreamOptions } from './stream.ts'
import { DialectStream } from './stream.ts'

export interface SdsOptions
  extends SidecarParts, Omit<StreamOptions, 'pushes' | 'clock' | 'quarantine' | 'onStep'> {
  readonly grants: Grants
  /** The caller of a call, as the transport knows it. */
  readonly callerOf: (call: { getAuthContext(): unknown }) => Caller
}

export interface Sds {
  /** Connections that have asked for a secret, by the caller. */
  readonly sidecars: ReadonlyMap<Caller, Sidecar>
  readonly streams: ReadonlySet<SdsStream>
  /** How many secrets of each kind clients work with, counted for each stream that has it. */
  holding(): Readonly<Record<Resource['kind'], number>>
  /** Streams that have something to be told and were not yet. */
  readonly pushesWaiting: number
  /** `listen` is called after streams were opened, stepped (pushed to, answered) or ended; once for all of a turn. */
  onProgress(listen: () => void): () => void
  addTo(server: Server): void
  sidecarOf(caller: Caller): Sidecar
  /** Ends every stream with UNAVAILABLE: Envoy comes back at once. */
  endStreams(why: string): void
}

/** Streams that are stepped in one turn of the event loop. */
const STREAMS_A_TURN = 200

export function createSds(options: SdsOptions): Sds {
  const streams = new Set<SdsStream>()
  const listeners = new Set<() => void>()
  const progress = onceATurn(listeners)
  const pushes = createSlices<SdsStream>(STREAMS_A_TURN, (stream) => {
    stream.push()
    progress()
  })
  const observer = tracking(options.observer, streams, progress)
  const streamOptions: StreamOptions = { ...options, pushes, observer, onStep: progress }

  const sidecars = new Map<Caller, Sidecar>()
  const sidecarOf = (caller: Caller): Sidecar => {
    const known = sidecars.get(caller)
    if (known !== undefined) return known
    const sidecar = new Sidecar(options.grants.of(caller), options)
    sidecars.set(caller, sidecar)
    caller.connection.onClose(() => void sidecars.delete(caller))
    return sidecar
  }

  const fetch = async (call: ServerUnaryCall<DiscoveryRequest, Encoded>): Promise<Encoded> => {
    const sidecar = sidecarOf(options.callerOf(call))
    const response = await fetchWhatIsThere(
      {
        request: readSotw(call.request),
        sidecar,
        view: sidecar.view(validatorFlavour(nodeFacts(call.request.node), options.validator)),
        deadline: Number(call.getDeadline()),
        client: call,
      },
      options,
    )
    options.observer.fetched(response.resources)
    return new Encoded(options.encoder.sotw(response))
  }

  return {
    sidecars,
    streams,
    sidecarOf,
    holding() {
      const count = { svid: 0, bundle: 0 }
      for (const stream of streams) for (const kind of stream.holding()) count[kind]++
      return count
    },
    get pushesWaiting() {
      return pushes.waiting
    },
    onProgress(listen) {
      listeners.add(listen)
      return () => void listeners.delete(listen)
    },
    addTo(server) {
      server.addService(serviceDefinition(SecretDiscoveryService), {
        StreamSecrets: (call: SdsCall<DiscoveryRequest>) =>
          void new DialectStream(call, sidecarOf(options.callerOf(call)), SOTW, streamOptions),
        DeltaSecrets: (call: SdsCall<DeltaDiscoveryRequest>) =>
          void new DialectStream(call, sidecarOf(options.callerOf(call)), DELTA, streamOptions),
        FetchSecrets: (
          call: ServerUnaryCall<DiscoveryRequest, Encoded>,
          answer: sendUnaryData<Encoded>,
        ) => {
          fetch(call).then(
            (encoded) => answer(null, encoded),
            (thrown: unknown) => {
              options.observer.fetchRefused(options.callerOf(call), thrown)
              answer(statusOf(thrown))
            },
          )
        },
      })
    },
    endStreams(why) {
      for (const stream of Array.from(streams)) stream.end(new SpindleError('not_ready', why))
    },
  }
}

function tracking(
  observer: StreamObserver,
  streams: Set<SdsStream>,
  progress: () => void,
): StreamObserver {
  return {
    ...observer,
    opened(stream) {
      streams.add(stream)
      observer.opened(stream)
      progress()
    },
    closed(stream) {
      streams.delete(stream)
      observer.closed(stream)
      progress()
    },
  }
}
