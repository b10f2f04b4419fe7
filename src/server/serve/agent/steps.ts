/** The two directions of an AttestAgent call as one conversation: a message is awaited when there is one to wait for. */
import { create } from '@bufbuild/protobuf'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type {
  AttestAgentRequest,
  AttestAgentResponse,
} from '#spire/api/server/agent/v1/agent_pb.js'
import { AttestAgentResponseSchema } from '#spire/api/server/agent/v1/agent_pb.js'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { Unreadable } from '../../../wire/service.ts'
import { statusOf, wordedStatus } from '../../../wire/status.ts'

export type AttestCall = Pick<
  ServerDuplexStream<AttestAgentRequest | Unreadable, AttestAgentResponse>,
  'on' | 'emit' | 'write' | 'end' | 'pause' | 'resume' | 'getAuthContext'
>

/** For each message of the node; one that proves something by a file of its own needs less. */
const STEP_MS = 30_000

type Arrived = AttestAgentRequest | Unreadable | 'end'

interface Waiting {
  readonly take: (arrived: Arrived) => void
  readonly fail: (why: unknown) => void
}

export class AttestSteps {
  readonly #call: AttestCall
  readonly #clock: Clock
  readonly #gone = new AbortController()
  readonly #arrived: Arrived[] = []
  #waiting: Waiting | undefined
  /** Why nothing more is awaited. */
  #over: unknown

  constructor(call: AttestCall, clock: Clock) {
    this.#call = call
    this.#clock = clock
    // Who listens would be handed the first one at once: megabytes of each that stands in line, whoever they are.
    call.pause()
    call.on('data', (message: AttestAgentRequest | Unreadable) => {
      // The next one is not read before it is asked for.
      call.pause()
      this.#take(message)
    })
    call.on('end', () => this.#take('end'))
    call.on('cancelled', () => this.stop(wordedStatus(status.CANCELLED, 'the node has gone')))
    call.on('error', () => undefined)
  }

  /** Aborted once nobody waits for the answer. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  /** Ends what is awaited, and what will be, with `why`. */
  stop(why: unknown): void {
    this.#over ??= why
    this.#gone.abort(this.#over)
    this.#waiting?.fail(this.#over)
  }

  /** @throws what it was stopped with. */
  check(): void {
    if (this.#over !== undefined) throw this.#over
  }

  /** `lost` says in the refusal what did not come. */
  async next(lost: { readonly code: number; readonly what: string }): Promise<AttestAgentRequest> {
    this.check()
    const arrived = this.#arrived.shift() ?? (await this.#wait())
    // A call that is cancelled may look like one that is half closed, for a moment.
    if (arrived === 'end') await new Promise((resolve) => void setImmediate(resolve))
    this.check()
    if (arrived === 'end') throw wordedStatus(lost.code, `${lost.what}: EOF`)
    if (arrived instanceof Unreadable)
      throw new SpindleError('request_invalid', 'a message of the call cannot be read')
    return arrived
  }

  async challenge(bytes: Uint8Array): Promise<Uint8Array> {
    this.check()
    const challenge = Uint8Array.from(bytes)
    this.#call.write(
      create(AttestAgentResponseSchema, { step: { case: 'challenge', value: challenge } }),
    )
    const { step } = await this.next({
      code: status.INTERNAL,
      what: 'failed to receive challenge from agent',
    })
    return step.case === 'challengeResponse' ? step.value : new Uint8Array()
  }

  finish(result: AttestAgentResponse): void {
    this.#call.write(result)
    this.#call.end()
  }

  refuse(why: unknown): void {
    this.#call.emit('error', statusOf(why))
  }

  #take(arrived: Arrived): void {
    if (this.#waiting === undefined) this.#arrived.push(arrived)
    else this.#waiting.take(arrived)
  }

  async #wait(): Promise<Arrived> {
    this.#call.resume()
    const { promise, resolve, reject } = Promise.withResolvers<Arrived>()
    this.#waiting = { take: resolve, fail: reject }
    const timer = this.#clock.after(STEP_MS, () =>
      reject(
        wordedStatus(
          status.DEADLINE_EXCEEDED,
          `nothing came from the node within ${STEP_MS / 1000} s`,
        ),
      ),
    )
    try {
      return await promise
    } finally {
      timer.cancel()
      this.#waiting = undefined
    }
  }
}
