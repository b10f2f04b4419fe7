/** One open stream of the Workload API: the caller's full state at once, and again whenever it is another. */
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Slices } from '../../../runtime/slices.ts'
import type { Encoded } from '../../../wire/service.ts'
import { statusOf } from '../../../wire/status.ts'
import type { Follower, Grant } from '../grant/grant.ts'
import type { Answer, AnswerOf } from './answer.ts'
import { COMPLETION_MS, FIRST_ANSWER_MS, MARGIN_MS } from './answer.ts'
import type { Message } from './message.ts'

export type StreamRpc = 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles'

/** What a stream reports; the metrics and the log are behind it. */
export interface WorkloadStreamObserver {
  opened(stream: WorkloadStream): void
  /** `error`: what this side ended it with; undefined: the client went. */
  closed(stream: WorkloadStream, error: unknown): void
  /** `sinceOpenMs` of the first message of a stream; undefined for later ones. */
  sent(stream: WorkloadStream, message: Message, sinceOpenMs: number | undefined): void
}

export interface WorkloadStreamOptions {
  readonly clock: Clock
  readonly pushes: Slices<WorkloadStream>
  readonly observer: WorkloadStreamObserver
  /** A message has left. */
  readonly onWritten: () => void
}

export type WorkloadCall = Pick<
  ServerWritableStream<unknown, Encoded>,
  'write' | 'emit' | 'on' | 'getDeadline'
>

/**
 * A caller with hundreds of identities is sent all of them whenever one is renewed. Where many are at once, a message of this
 * size is followed by the newest state and not by each one between; one of a few identities is followed at once.
 */
const BYTES_A_MS = 4096
const SHORTEST_REST_MS = 5

/** What is kept of a message that was sent: its bytes hold keys, and are another's once they are replaced. */
export interface SentMessage extends Omit<Message, 'encoded'> {
  /** ms since the epoch */
  readonly at: number
}

export class WorkloadStream implements Follower {
  readonly rpc: StreamRpc
  readonly grant: Grant
  readonly openedAt: number
  readonly #call: WorkloadCall
  readonly #answerOf: AnswerOf
  readonly #options: WorkloadStreamOptions
  readonly #begun: number
  #sent: SentMessage | undefined
  /** The first answer must be there by then. */
  #deadline: Timer | undefined
  /** Runs while something is missing in a message that is due. */
  #patience: Timer | undefined
  /** What is missing has taken long enough: until nothing is, nothing waits for it. */
  #overdue = false
  #writing = false
  /** Runs for a while after a large message. */
  #rest: Timer | undefined
  /** Something changed while nothing could be sent. */
  #missed = false
  #ended = false

  constructor(
    { rpc, call, grant }: { rpc: StreamRpc; call: WorkloadCall; grant: Grant },
    answerOf: AnswerOf,
    options: WorkloadStreamOptions,
  ) {
    this.rpc = rpc
    this.grant = grant
    this.#call = call
    this.#answerOf = answerOf
    this.#options = options
    this.openedAt = options.clock.now()
    this.#begun = options.clock.monotonic()
    grant.followers.add(this)
    options.observer.opened(this)
    for (const end of ['cancelled', 'error', 'close'] as const)
      call.on(end, () => this.#close(undefined))
    this.push()
    if (this.#sent === undefined && !this.#ended)
      this.#deadline = options.clock.after(this.#firstAnswerMs(), () => this.#late())
  }

  /** What the client was sent last. */
  get sent(): SentMessage | undefined {
    return this.#sent
  }

  /** True while a message has not left yet. */
  get writing(): boolean {
    return this.#writing
  }

  /** What it would be told now. */
  get answer(): Answer<Message> {
    return this.#answerOf(this.grant, this.#sent === undefined)
  }

  changed(entryId?: string): void {
    // Bundles are the same whatever becomes of an identity.
    const concerned = entryId === undefined || this.rpc === 'FetchX509SVID'
    if (concerned && !this.#ended) this.#options.pushes.add(this)
  }

  /** Sends what is due now; called in slices. A client that does not read costs the one message that has not left. */
  push(): void {
    if (this.#ended) return
    // That nothing is left to a caller is not kept from it.
    const rests = this.#rest !== undefined && this.grant.granted.entries.length > 0
    this.#missed = this.#writing || rests
    if (this.#missed) return
    try {
      // Nothing is given to another process than the one that was attested.
      if (this.grant.caller.check()) this.#take(this.answer)
    } catch (thrown) {
      this.end(thrown)
    }
  }

  /** Ends the stream with the status of `error`. */
  end(error: unknown): void {
    if (this.#ended) return
    this.#close(error)
    this.#call.emit('error', statusOf(error))
  }

  #take(answer: Answer<Message>): void {
    if (answer.kind === 'denied') return this.end(new SpindleError('no_identity', answer.why))
    if (answer.kind === 'pending') return
    const { value: message, awaiting } = answer
    if (awaiting === undefined) {
      this.#overdue = false
      this.#patience?.cancel()
      this.#patience = undefined
    }
    if (message.version === this.#sent?.version) return
    if (awaiting === undefined || this.#overdue) this.#send(message)
    else
      this.#patience ??= this.#options.clock.after(COMPLETION_MS, () => {
        this.#patience = undefined
        this.#overdue = true
        this.push()
      })
  }

  #send(message: Message): void {
    const { clock, observer } = this.#options
    const first = this.#sent === undefined ? clock.monotonic() - this.#begun : undefined
    this.#deadline?.cancel()
    const { encoded, ...said } = message
    this.#sent = { ...said, at: clock.now() }
    this.#writing = true
    this.#call.write(encoded, () => {
      this.#writing = false
      if (this.#missed) this.changed()
      this.#options.onWritten()
    })
    observer.sent(this, message, first)
    const restMs = encoded.bytes.length / BYTES_A_MS
    if (restMs < SHORTEST_REST_MS) return
    this.#rest?.cancel()
    this.#rest = clock.after(restMs, () => {
      this.#rest = undefined
      if (this.#missed) this.changed()
    })
  }

  #firstAnswerMs(): number {
    const left = Number(this.#call.getDeadline()) - MARGIN_MS - this.#options.clock.now()
    return Math.max(0, Math.min(FIRST_ANSWER_MS, left))
  }

  /** Nothing could be sent in time. */
  #late(): void {
    this.#overdue = true
    this.push()
    if (this.#sent !== undefined || this.#ended) return
    const { answer } = this
    this.end(new SpindleError('not_ready', 'why' in answer ? answer.why : 'the caller has gone'))
  }

  #close(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#deadline?.cancel()
    this.#patience?.cancel()
    this.#rest?.cancel()
    this.#options.pushes.drop(this)
    this.grant.followers.delete(this)
    this.#options.observer.closed(this, error)
  }
}
