/** How a service of the API is made of plain functions and added to both doors. */
import type {
  DescMessage,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import type { MethodDefinition, Server, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { SpindleError, codeOf } from '../../runtime/errors.ts'
import { status } from '../../runtime/grpc-status.ts'
import { Undecoded, decodeInTurns, decodedIfSmall, encodedInTurns } from '../../wire/in-turns.ts'
import { serviceDefinition } from '../../wire/service.ts'
import { WordedStatus, statusOf, wordedStatus } from '../../wire/status.ts'
import { auditCaller } from '../admit/peer.ts'
import type { ServerPeer } from '../admit/peer.ts'
import type { AuditCaller } from '../audit/audit.ts'

/** A way in: the TCP door or the admin socket. */
export interface Way {
  readonly server: Pick<Server, 'addService'>
  peerOf(call: { getAuthContext(): unknown }): ServerPeer
}

/** A service as server.ts composes it. */
export interface ApiService {
  addTo(way: Way): void
  /** Ends the calls that have no end of their own. */
  endStreams(why: string): void
}

/** Of the call that is answered: who asks, and the two fields an audit line begins with. */
export interface Asked {
  readonly peer: ServerPeer
  readonly caller: AuditCaller
  /** `/package.Service/Method` */
  readonly method: string
  /** Aborted when nobody waits for the answer any more: the client has gone, or its deadline is over. */
  readonly signal?: AbortSignal
}

/** An answer for each unary method, by its name as generated code has it (`batchCreateEntry`). What is not there is UNIMPLEMENTED. */
export type Answers<S extends DescService> = {
  readonly [Name in keyof S['method']]?: S['method'][Name] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, asked: Asked) => Promise<MessageInitShape<O>> | MessageInitShape<O>
    : never
}

/** Told of what nobody raised on purpose, of which the caller is only told that it happened. */
export type Faulted = (method: string, thrown: unknown) => void

/** A service as it is added to a way: large requests of unary methods are left to `unaryHandlers` to decode. */
export function servedDefinition(
  service: DescService,
): Record<string, MethodDefinition<unknown, unknown>> {
  const definition = serviceDefinition(service)
  for (const { methodKind, name, input } of service.methods) {
    if (methodKind !== 'unary') continue
    const requestDeserialize = (bytes: Buffer): unknown => decodedIfSmall(input, bytes)
    definition[name] = { ...definition[name]!, requestDeserialize }
  }
  return definition
}

type UnaryCall = Pick<ServerUnaryCall<unknown, unknown>, 'request' | 'getAuthContext' | 'on'>

/** grpc-js handlers of a service by method name; streams are added by who owns them. */
export function unaryHandlers<S extends DescService>(
  service: S,
  answers: Answers<S>,
  { way, faulted }: { readonly way: Way; readonly faulted: Faulted },
): Record<string, (call: UnaryCall, done: sendUnaryData<unknown>) => void> {
  const handlers: Record<string, (call: UnaryCall, done: sendUnaryData<unknown>) => void> = {}
  for (const method of service.methods) {
    if (method.methodKind !== 'unary') continue
    const path = `/${service.typeName}/${method.name}`
    const answer = (answers as Record<string, AnyAnswer | undefined>)[method.localName]
    handlers[method.name] = (call, done) => {
      answerOf(answer, call, { path, peer: way.peerOf(call), method }).then(
        (value) => done(null, value),
        (thrown: unknown) => {
          if (codeOf(thrown) === 'internal' && !(thrown instanceof WordedStatus))
            faulted(path, thrown)
          done(statusOf(thrown))
        },
      )
    }
  }
  return handlers
}

/** Of a method. */
interface Ends {
  readonly input: DescMessage
  readonly output: DescMessage
}

type AnyAnswer = (request: unknown, asked: Asked) => unknown

async function answerOf(
  answer: AnyAnswer | undefined,
  call: UnaryCall,
  to: { readonly path: string; readonly peer: ServerPeer; readonly method: Ends },
): Promise<unknown> {
  const { path, peer, method } = to
  if (answer === undefined) throw new SpindleError('unsupported', `${path} is not offered`)
  const signal = leaving(call)
  const { request } = call
  const read = request instanceof Undecoded ? await decodeInTurns(method.input, request) : request
  const value = await answer(read, { peer, caller: auditCaller(peer), method: path, signal })
  return await encodedInTurns(method.output, value as MessageInitShape<typeof method.output>)
}

function leaving(call: Pick<UnaryCall, 'on'>): AbortSignal {
  const gone = new AbortController()
  call.on('cancelled', () =>
    gone.abort(wordedStatus(status.CANCELLED, 'nobody waits for the answer any more')),
  )
  return gone.signal
}

/** A service of unary methods alone. */
export function unaryService<S extends DescService>(
  service: S,
  answers: Answers<S>,
  faulted: Faulted,
): ApiService {
  return {
    addTo(way) {
      way.server.addService(
        servedDefinition(service),
        unaryHandlers(service, answers, { way, faulted }),
      )
    },
    endStreams() {},
  }
}
