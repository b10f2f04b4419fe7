/**
 * SyncAuthorizedEntries: how SPIRE's agents ask what has changed. A client with few entries is sent them all. One with many is
 * sent their revisions, asks by ID for those that it has not got yet, and closes the stream.
 */
import { create } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { SyncAuthorizedEntriesResponseSchema } from '../../../gen/spire/api/server/entry/v1/entry_pb.js'
import type {
  SyncAuthorizedEntriesRequest,
  SyncAuthorizedEntriesResponse,
} from '../../../gen/spire/api/server/entry/v1/entry_pb.js'
import type { EntryMask } from '../../../gen/spire/api/types/entry_pb.js'
import type { ServerEntry } from '../../../registration/server-entry.ts'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import { SpindleError, codeOf } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { Unreadable } from '../../../wire/service.ts'
import { entryMessage } from '../../../wire/spire/entry.ts'
import { WordedStatus, statusOf, wordedStatus } from '../../../wire/status.ts'

/** Entries, or revisions, of one message: SPIRE's number. */
export const ENTRIES_A_MESSAGE = 500

/** Until the client asks again, or has read what it was sent. */
const PATIENCE_MS = 60_000

type Response = MessageInitShape<typeof SyncAuthorizedEntriesResponseSchema>
export type SyncCall = ServerDuplexStream<
  SyncAuthorizedEntriesRequest | Unreadable,
  SyncAuthorizedEntriesResponse
>

export interface EntrySyncOptions {
  readonly clock: Clock
  /** Those of the client as they are now. */
  readonly authorized: () => readonly ServerEntry[]
  readonly ended: () => void
  /** Told of what nobody raised on purpose. */
  readonly faulted: (thrown: unknown) => void
}

/** One open stream. */
export class EntrySync {
  readonly #call: SyncCall
  readonly #options: EntrySyncOptions
  /** undefined: nothing has been asked yet. */
  #told: Told | undefined
  #patience: Timer | undefined
  #ended = false

  constructor(call: SyncCall, options: EntrySyncOptions) {
    this.#call = call
    this.#options = options
    this.#wait()
    call.on('data', (message: SyncAuthorizedEntriesRequest | Unreadable) => {
      // The next request waits until this one is answered.
      call.pause()
      this.#answer(message).then(
        () => this.#ended || call.resume(),
        (thrown: unknown) => {
          if (codeOf(thrown) === 'internal' && !(thrown instanceof WordedStatus))
            this.#options.faulted(thrown)
          this.end(thrown)
        },
      )
    })
    call.on('end', () => this.#finish())
    for (const gone of ['cancelled', 'error', 'close'] as const) call.on(gone, () => this.#close())
  }

  /** With the status of `error`. */
  end(error: unknown): void {
    if (this.#close()) this.#call.emit('error', statusOf(error))
  }

  async #answer(message: SyncAuthorizedEntriesRequest | Unreadable): Promise<void> {
    if (message instanceof Unreadable)
      throw new SpindleError('request_invalid', 'not a message that can be decoded')
    if (this.#told === undefined) {
      checkFirst(message)
      this.#told = { mask: message.outputMask, entries: this.#options.authorized() }
      await this.#send(firstAnswer(this.#told))
      if (this.#told.entries.length <= ENTRIES_A_MESSAGE) this.#finish()
    } else await this.#send(fullEntries(this.#told, message.ids))
  }

  async #send(responses: Iterable<Response>): Promise<void> {
    for (const response of responses) {
      if (this.#ended) return
      this.#wait()
      const message = create(SyncAuthorizedEntriesResponseSchema, response)
      await new Promise<void>((resolve) => void this.#call.write(message, () => resolve()))
    }
    this.#wait()
  }

  #wait(): void {
    this.#patience?.cancel()
    if (this.#ended) return
    this.#patience = this.#options.clock.after(PATIENCE_MS, () =>
      this.end(wordedStatus(status.DEADLINE_EXCEEDED, 'the client neither asked nor read')),
    )
  }

  #finish(): void {
    if (this.#close()) this.#call.end()
  }

  /** @returns whether it was open */
  #close(): boolean {
    if (this.#ended) return false
    this.#ended = true
    this.#patience?.cancel()
    this.#options.ended()
    return true
  }
}

/** What a client was told at first: what it asks for by ID is of the same state. */
interface Told {
  readonly mask: EntryMask | undefined
  readonly entries: readonly ServerEntry[]
}

/** In SPIRE's words. */
function checkFirst({ ids, outputMask }: SyncAuthorizedEntriesRequest): void {
  const invalid = (text: string) => wordedStatus(status.INVALID_ARGUMENT, text)
  if (ids.length > 0) throw invalid('specifying IDs on initial request is not supported')
  if (outputMask?.revisionNumber === false) throw invalid('revision number cannot be masked')
}

function* firstAnswer({ mask, entries }: Told): Iterable<Response> {
  if (entries.length <= ENTRIES_A_MESSAGE) return yield { entries: masked(entries, mask) }
  for (const [some, more] of slices(entries))
    yield {
      entryRevisions: some.map(({ id, revision, createdAt }) => ({
        id,
        revisionNumber: BigInt(revision),
        createdAt: BigInt(Math.floor(createdAt / 1000)),
      })),
      more,
    }
}

/** Those there are of `ids`, each once; one message at least, though it holds nothing. */
function* fullEntries({ mask, entries }: Told, ids: readonly string[]): Iterable<Response> {
  const asked = new Set(ids)
  const found = entries.filter(({ id }) => asked.has(id))
  if (found.length === 0) yield { entries: [] }
  for (const [some, more] of slices(found)) yield { entries: masked(some, mask), more }
}

function masked(entries: readonly ServerEntry[], mask: EntryMask | undefined) {
  return entries.map((entry) => entryMessage(entry, mask))
}

function* slices<T>(all: readonly T[]): Iterable<readonly [some: readonly T[], more: boolean]> {
  for (let at = 0; at < all.length; at += ENTRIES_A_MESSAGE) {
    const next = at + ENTRIES_A_MESSAGE
    yield [all.slice(at, next), next < all.length]
  }
}
