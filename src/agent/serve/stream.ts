/** One open SDS stream: the adapter between a gRPC call and the pure step functions of xds/. */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { Node } from '#envoy/config/core/v3/base_pb.js'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { Slices } from '../../runtime/slices.ts'
import { Encoded, Unreadable } from '../../wire/service.ts'
import { statusOf } from '../../wire/status.ts'
import type { ValidatorFlavour } from '../../xds/flavour.ts'
import { validatorFlavour } from '../../xds/flavour.ts'
import type { Note } from '../../xds/message.ts'
import type { Resource, View } from '../../xds/resource.ts'
import type { HeldName } from '../../xds/status.ts'
import { heldNames } from '../../xds/status.ts'
import { isAcknowledgement, type Step, type StreamEvent } from '../../xds/stream.ts'
import type { StreamState } from '../../xds/subscription.ts'
import type { Caller } from '../match/caller.ts'
import type { Dialect, NodeDescription, Variant } from './dialect.ts'
import { describeNode, nodeFacts } from './dialect.ts'
import type { Quarantine } from './quarantine.ts'
import type { ResponseEncoder } from './responses.ts'
import type { Sidecar, SidecarFollower } from './sidecar.ts'
import type { ToldName } from './told.ts'
import { Told } from './told.ts'

/** What a stream reports; the metrics and the log are behind it. */
export interface StreamObserver {
  opened(stream: SdsStream): void
  closed(stream: SdsStream): void
  /** `sinceOpenMs` of the first secret a stream was sent; undefined for later ones. */
  pushed(stream: SdsStream, resource: Resource, sinceOpenMs: number | undefined): void
  /** `answerMs` from the response to its answer; undefined where it came too late to be timed. */
  noted(stream: SdsStream, note: Note, answerMs: number | undefined): void
  /** `error` may be anything thrown: what is no SpindleError is a fault in Spindle. */
  refused(stream: SdsStream, error: unknown): void
  /** FetchSecrets, which has no stream. */
  fetched(resources: readonly Resource[]): void
  fetchRefused(caller: Caller, error: unknown): void
}

export interface StreamOptions {
  readonly clock: Clock
  readonly nonce: () => string
  readonly encoder: ResponseEncoder
  readonly quarantine: Quarantine
  readonly pushes: Slices<SdsStream>
  readonly observer: StreamObserver
  /** After each event of a stream: what it holds may be another. */
  readonly onStep: () => void
  readonly namesPerStream: number
  readonly ackDeadlineMs: number
  readonly validator: ValidatorFlavour
  readonly unauthorized: 'wait' | 'close'
}

export interface HeldSecretView extends HeldName, ToldName {}

/** The parts of a stream that do not depend on its variant. */
export interface SdsStream extends SidecarFollower {
  readonly sidecar: Sidecar
  readonly variant: Variant
  readonly node: NodeDescription
  held(): readonly HeldSecretView[]
  /** The kinds of what the client works with: acknowledged, and not given up since. */
  holding(): Iterable<Resource['kind']>
  /** Sends what is due now; called in slices. */
  push(): void
  /** Ends the stream with the status of `error`. */
  end(error: unknown): void
}

export type SdsCall<Message> = ServerDuplexStream<Message | Unreadable, Encoded>

export class DialectStream<
  Message,
  Request,
  Sent extends { nonce: string; resources: readonly Resource[]; removed?: readonly string[] },
> implements SdsStream {
  readonly sidecar: Sidecar
  readonly #call: SdsCall<Message>
  readonly #dialect: Dialect<Message, Request, Sent>
  readonly #options: StreamOptions
  readonly #openedAt: number
  readonly #told = new Told()
  #state: StreamState
  #node: Node | undefined
  #flavour: ValidatorFlavour | undefined
  #deadline: Timer | undefined
  #inFlightSince: number | undefined
  #gaveSecret = false
  /** Responses that have not left yet. */
  #unsent = 0
  #ended = false

  constructor(
    call: SdsCall<Message>,
    sidecar: Sidecar,
    dialect: Dialect<Message, Request, Sent>,
    options: StreamOptions,
  ) {
    this.#call = call
    this.sidecar = sidecar
    this.#dialect = dialect
    this.#options = options
    this.#state = dialect.initial()
    this.#openedAt = options.clock.monotonic()
    sidecar.followers.add(this)
    options.observer.opened(this)
    call.on('data', (message: Message | Unreadable) => this.#receive(message))
    // The client has said all it will: nothing it is sent could be acknowledged.
    call.on('end', () => {
      this.#close()
      call.end()
    })
    call.on('cancelled', () => this.#close())
    call.on('error', () => this.#close())
  }

  get variant(): Variant {
    return this.#dialect.variant
  }

  get node(): NodeDescription {
    return describeNode(this.#node)
  }

  held(): readonly HeldSecretView[] {
    return heldNames(this.#state, this.#view).map((held) => {
      const told = this.#told.of(held.name)
      return {
        ...held,
        ...told,
        rejection: held.status === 'rejected' ? told.rejection : undefined,
      }
    })
  }

  *holding(): Generator<Resource['kind']> {
    for (const [name, { acked }] of this.#state.names) {
      const { kind } = this.#told.of(name)
      if (acked !== undefined && kind !== undefined) yield kind
    }
  }

  changed(names?: ReadonlySet<string>): void {
    // Before the first request there is nobody to push to.
    if (this.#ended || this.#flavour === undefined) return
    if (names === undefined || this.#follows(names)) this.#options.pushes.add(this)
  }

  #follows(names: ReadonlySet<string>): boolean {
    if (this.#state.wildcard) return true
    for (const name of names) if (this.#state.names.has(name)) return true
    return false
  }

  push(): void {
    this.#guarded(() => this.#step({ type: 'view' }))
  }

  end(error: unknown): void {
    if (this.#ended) return
    this.#close()
    this.#call.emit('error', statusOf(error))
  }

  get #view(): View {
    return this.sidecar.view(this.#flavour ?? this.#options.validator)
  }

  #receive(message: Message | Unreadable): void {
    this.#guarded(() => {
      if (message instanceof Unreadable)
        throw new SpindleError('request_invalid', 'not a message that can be decoded')
      if (this.#flavour === undefined) {
        // Envoy describes itself in the first request alone; what it said then holds for the stream.
        this.#node = this.#dialect.nodeOf(message)
        this.#flavour = validatorFlavour(nodeFacts(this.#node), this.#options.validator)
      }
      this.#step({ type: 'request', request: this.#dialect.read(message) })
    })
  }

  /** Whatever goes wrong ends this stream alone. */
  #guarded(run: () => void): void {
    try {
      if (!this.#ended) run()
    } catch (thrown) {
      this.#refuse(thrown)
    }
  }

  #refuse(error: unknown): void {
    this.#options.observer.refused(this, error)
    this.end(error)
  }

  /** Nothing is given to another process than the one that was attested. undefined: the caller has gone. */
  #stepped(event: StreamEvent<Request>): Step<StreamState, Sent> | undefined {
    const { nonce, namesPerStream, unauthorized } = this.#options
    const { caller } = this.sidecar
    const context = { view: this.#view, nonce, limits: { namesPerStream } }
    const step = (): Step<StreamState, Sent> => this.#dialect.step(this.#state, event, context)
    const known = caller.state.current
    const result = step()
    if (unauthorized === 'wait' && isAcknowledgement(result)) return result
    if (!caller.check()) return undefined
    // What was made of it was made before the look, which may have found another program.
    return caller.state.current === known ? result : step()
  }

  #step(event: StreamEvent<Request>): void {
    const result = this.#stepped(event)
    if (result === undefined) return
    this.#state = result.state
    this.#options.onStep()
    let again = false
    for (const note of result.notes) again = this.#take(note) || again
    if (result.end !== undefined) return this.#refuse(result.end)
    for (const response of result.send) this.#send(response)
    const unauthorized =
      this.#options.unauthorized === 'close'
        ? refusal([...this.#state.names.keys()], this.#view)
        : undefined
    if (unauthorized !== undefined) this.#refuse(unauthorized)
    else if (again) this.changed()
  }

  /** True when what was noted may change what is due. */
  #take(note: Note): boolean {
    const { observer, quarantine, clock } = this.#options
    const answered = note.type === 'ack' || note.type === 'nack' || note.type === 'ack-of-rejected'
    const since = this.#inFlightSince
    observer.noted(
      this,
      note,
      answered && since !== undefined ? clock.monotonic() - since : undefined,
    )
    if (answered || note.type === 'unanswered') {
      this.#deadline?.cancel()
      this.#inFlightSince = undefined
    }
    const now = clock.now()
    if (note.type === 'ack') for (const { name } of note.resources) this.#told.answered(name, now)
    if (note.type !== 'nack') return false
    for (const { name } of note.rejected) this.#told.answered(name, now, note.class)
    quarantine.add(this.sidecar.caller.connection.peer, note.quarantine)
    return note.quarantine.length > 0
  }

  #send(response: Sent): void {
    const { clock, encoder, observer } = this.#options
    if (response.removed !== undefined)
      this.#told.removed(response.removed, clock.now(), this.#state.names)
    for (const resource of response.resources) {
      this.#told.sent(resource, clock.now())
      const first = this.#gaveSecret ? undefined : clock.monotonic() - this.#openedAt
      this.#gaveSecret = true
      observer.pushed(this, resource, first)
    }
    this.#unsent += 1
    this.#call.write(new Encoded(this.#dialect.encode(encoder, response)), () => {
      this.#unsent -= 1
    })
    this.#inFlightSince = clock.monotonic()
    this.#awaitAnswer(response.nonce)
  }

  #awaitAnswer(nonce: string): void {
    this.#deadline?.cancel()
    this.#deadline = this.#options.clock.after(this.#options.ackDeadlineMs, () => {
      // What has not left yet cannot have been answered: a client that does not read costs this one response.
      if (this.#unsent > 0 && !this.#ended) this.#awaitAnswer(nonce)
      else this.#guarded(() => this.#step({ type: 'ack-deadline', nonce }))
    })
  }

  #close(): void {
    if (this.#ended) return
    this.#ended = true
    this.#deadline?.cancel()
    this.#options.pushes.drop(this)
    this.sidecar.followers.delete(this)
    this.#options.observer.closed(this)
  }
}

const NAMES_TOLD = 8

/** SPIRE's behaviour, where it is configured: who asks for what the caller may not have is refused, and told so in its words. */
export function refusal(asked: readonly string[], view: View): SpindleError | undefined {
  const names = asked.filter((name) => view.resolve(name).state === 'absent')
  if (names.length === 0) return undefined
  const told = JSON.stringify(names.slice(0, NAMES_TOLD))
  return new SpindleError(
    'request_invalid',
    `workload is not authorized for the requested identities ${told}`,
  )
}
