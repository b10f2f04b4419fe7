/** One open call of `spindle.sync.v1`: the adapter between a gRPC stream and the rounds an agent is owed. */
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { Applied, Open, SyncRequest } from '../../gen/spindle/sync/v1/sync_pb.js'
import type { Timer } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { status } from '../../runtime/grpc-status.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Encoded } from '../../wire/service.ts'
import { Unreadable } from '../../wire/service.ts'
import { statusOf, wordedStatus } from '../../wire/status.ts'
import { firstRound, gapBetween, readToken, writeToken } from './resume.ts'
import type { ChangedNames, Token } from './resume.ts'
import { federated, holdingOf, roundBetween } from './round.ts'
import type { Holding, Round } from './round.ts'
import type { StoredBundle } from '../../store/model.ts'
import type { InUse, OpenCall, SyncContext, SyncPeer } from './sync-context.ts'

export type SyncStream = Pick<
  ServerDuplexStream<SyncRequest | Unreadable, Encoded>,
  'write' | 'emit' | 'on' | 'end'
>

/** For `open`, for each part of a round to leave, and from its end to `applied`. */
const PATIENCE_MS = 30_000
const MOST_TOKEN_BYTES = 256
const MOST_VERSION_BYTES = 128
const MOST_IN_USE = 64
const MOST_AUTHORITY_ID = 256

interface Shall {
  readonly holding: Holding
  readonly token: Token
}

interface InFlight {
  readonly token: Buffer
  readonly holding: Holding
}

export class SyncCall implements OpenCall {
  readonly peer: SyncPeer
  readonly #stream: SyncStream
  readonly #context: SyncContext
  #expiry: Timer | undefined
  #deadline: Timer | undefined
  #opened = false
  /** What it has been sent last, whether it has applied it or not. */
  #sent: InFlight | undefined
  #inFlight: InFlight | undefined
  #applied: InFlight | undefined
  #inUse: InUse = { x509: [], jwt: [], more: [] }
  /** A part of a round has not left yet, or where it begins is being looked up. */
  #busy = false
  /** Something may have changed meanwhile. */
  #missed = false
  #wants: ReadonlySet<TrustDomain> = new Set()
  /** With which the SVID of the peer is known to be good; it was looked at before, with that of then. */
  #verifiedBy: StoredBundle | undefined
  #ended = false

  constructor(stream: SyncStream, peer: SyncPeer, context: SyncContext) {
    this.#stream = stream
    this.peer = peer
    this.#context = context
    this.#await('`open` has not come')
    this.#awaitExpiry()
    stream.on('data', (message: SyncRequest | Unreadable) =>
      this.#guarded(() => this.#receive(message)),
    )
    stream.on('end', () => {
      this.#close(undefined)
      stream.end()
    })
    for (const end of ['cancelled', 'error', 'close'] as const)
      stream.on(end, () => this.#close(undefined))
  }

  get applied(): Holding | undefined {
    return this.#applied?.holding
  }

  get inUse(): InUse {
    return this.#inUse
  }

  changed(): void {
    if (!this.#ended) this.#context.pushes.add(this)
  }

  push(): void {
    this.#guarded(() => {
      if (this.#isRefused()) return
      this.#missed = this.#busy || this.#inFlight !== undefined || !this.#opened
      if (this.#missed || this.#sent === undefined) return
      const holding = this.#holding()
      const round = roundBetween(this.#sent.holding, holding)
      if (round !== undefined) this.#send(round, { holding, token: this.#context.tokenOf(holding) })
    })
  }

  end(error: unknown): void {
    if (this.#ended) return
    this.#close(error)
    this.#stream.emit('error', statusOf(error))
  }

  #receive(message: SyncRequest | Unreadable): void {
    if (message instanceof Unreadable) throw invalid('is not a message that can be decoded')
    const { step } = message
    if (step.case === 'open') this.#open(step.value)
    else if (step.case === 'applied') this.#take(step.value)
    else throw invalid('says neither open nor applied')
  }

  #open({ resumeToken, agentVersion }: Open): void {
    if (this.#opened) throw invalid('has open a second time')
    if (resumeToken.length > MOST_TOKEN_BYTES) throw tooMuch('a token of over 256 bytes')
    if (Buffer.byteLength(agentVersion) > MOST_VERSION_BYTES)
      throw tooMuch('an agent_version of over 128 bytes')
    this.#opened = true
    this.#busy = true
    this.#deadline?.cancel()
    this.#context.runs(this.peer, agentVersion)
    this.#begin(readToken(resumeToken)).catch((thrown: unknown) => this.#fail(thrown))
  }

  /** Looks up what has changed since the token only where that is not plain from the token itself. */
  async #begin(from: Token | undefined): Promise<void> {
    let shall = this.#shall()
    if (gapBetween(from, shall.token) === 'ahead') {
      // What the agent has must not be taken from it for the moment that this server is behind.
      await this.#context.registry.refreshed()
      shall = this.#shall()
    }
    if (from === undefined || gapBetween(from, shall.token) !== 'changes')
      return this.#first(from, shall, undefined)
    const changed = await this.#context.changedSince(from.revision)
    // The registry may have gone on while the log was read.
    this.#guarded(() => this.#first(from, this.#shall(), changed))
  }

  #first(from: Token | undefined, shall: Shall, changed: ChangedNames | undefined): void {
    if (this.#ended || this.#isRefused()) return
    this.#busy = false
    this.#send(firstRound(from, shall, changed), shall)
  }

  #take(said: Applied): void {
    const { resumeToken, x509AuthoritiesInUse, jwtAuthoritiesInUse } = said
    for (const ids of [x509AuthoritiesInUse, jwtAuthoritiesInUse])
      if (ids.length > MOST_IN_USE || ids.some((id) => id.length > MOST_AUTHORITY_ID))
        throw tooMuch('more than 64 authorities in use, or one of over 256 characters')
    const token = Buffer.from(resumeToken)
    const answersRound = this.#inFlight?.token.equals(token) ?? false
    if (!answersRound && !this.#applied?.token.equals(token))
      throw invalid('has applied with a token that is of no round it was sent')
    const more = (['x509', 'jwt'] as const).filter((kind) =>
      kind === 'x509' ? said.moreX509AuthoritiesInUse : said.moreJwtAuthoritiesInUse,
    )
    this.#inUse = { x509: x509AuthoritiesInUse, jwt: jwtAuthoritiesInUse, more }
    if (answersRound) {
      this.#applied = this.#inFlight
      this.#inFlight = undefined
      if (!this.#busy) this.#deadline?.cancel()
      if (this.#missed) this.changed()
    }
    this.#context.progressed(this)
  }

  /** Ends the call if so. */
  #isRefused(): boolean {
    const { registry, trustDomain } = this.#context
    const bundle = registry.bundle(trustDomain)
    const authoritiesChanged = bundle !== this.#verifiedBy
    this.#verifiedBy = bundle
    const why = this.#context.refusalOf(this.peer, { authoritiesChanged })
    if (why !== undefined) this.end(why)
    return why !== undefined
  }

  /** What it shall have now. */
  #holding(): Holding {
    const { registry, trustDomain } = this.#context
    const before = this.#sent?.holding.bundles.get(trustDomain)
    return holdingOf(registry, this.peer.svid.spiffeId, { trustDomain, before })
  }

  #shall(): Shall {
    const holding = this.#holding()
    return { holding, token: this.#context.tokenOf(holding) }
  }

  #send(round: Round, { holding, token }: Shall): void {
    const wants = federated(holding.entries)
    this.#context.follow(this, { before: this.#wants, wants })
    this.#wants = wants
    const sent = { token: writeToken(token), holding }
    this.#sent = this.#inFlight = sent
    this.#busy = true
    this.#write(
      this.#context.encoder.partsOf(round, {
        token: sent.token,
        entryCount: holding.entries.length,
        bundleCount: holding.bundles.size,
      }),
    )
  }

  /** One part after the other has left: a client that does not read costs one of them. */
  #write(parts: Iterator<Encoded>): void {
    const { value, done } = parts.next()
    if (done === true) {
      this.#busy = false
      this.#deadline?.cancel()
      if (this.#inFlight !== undefined) this.#await('`applied` has not come')
      else if (this.#missed) this.changed()
      return
    }
    this.#await('a round could not be sent')
    this.#stream.write(value, () => this.#guarded(() => this.#write(parts)))
  }

  #await(what: string): void {
    this.#deadline?.cancel()
    this.#deadline = this.#context.clock.after(PATIENCE_MS, () =>
      this.end(wordedStatus(status.ABORTED, `${what} within ${PATIENCE_MS / 1000} s`)),
    )
  }

  /** Once more where the clock was set back meanwhile. */
  #awaitExpiry(): void {
    const { clock } = this.#context
    const leftMs = this.peer.svid.notAfter + 1 - clock.now()
    if (leftMs <= 0) this.changed()
    else this.#expiry = clock.after(leftMs, () => this.#awaitExpiry())
  }

  /** Whatever goes wrong ends this call alone. */
  #guarded(run: () => void): void {
    if (this.#ended) return
    try {
      run()
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  #fail(thrown: unknown): void {
    if (this.#ended) return
    this.#context.failed(this, thrown)
    this.end(thrown)
  }

  #close(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#deadline?.cancel()
    this.#expiry?.cancel()
    this.#context.pushes.drop(this)
    this.#context.follow(this, { before: this.#wants, wants: new Set() })
    this.#context.closed(this, error)
  }
}

function invalid(fault: string): SpindleError {
  return new SpindleError('request_invalid', `a message ${fault}`)
}

function tooMuch(what: string): SpindleError {
  return new SpindleError('limit_reached', `a message has ${what}`)
}
