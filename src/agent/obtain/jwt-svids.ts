/**
 * The JWT-SVIDs callers use: signed when first asked for, and handed out again, to whoever has the same entry and asks
 * for the same audiences, for the first half of their life.
 */
import type { IssuedJwtSvid, JwtAuthority } from '../../authority/jwt/jwt-authority.ts'
import type { Entry } from '../../registration/entry.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { ErrorCode } from '../../runtime/errors.ts'
import { codeOf, messageOf } from '../../runtime/errors.ts'
import { checkedAudience } from '../../spiffe/jwt-svid.ts'

export interface JwtSvids {
  /**
   * A token of the entry's ID for all of `audience`. One that is past half of its life is handed out only where no other
   * can be signed, and one that has expired never.
   * @throws SpindleError `request_invalid` for no audience or an empty one, `authority_unavailable`
   */
  fetch(entry: Entry, audience: readonly string[]): Promise<IssuedJwtSvid>
  /** How many are kept. */
  readonly size: number
  close(): void
}

export interface JwtSvidsOptions {
  readonly authority: JwtAuthority
  readonly clock: Clock
  /** For entries that say none. */
  readonly ttlMs: number
  readonly onEvent?: (event: JwtSvidEvent) => void
  /** What is kept at most: those used last. */
  readonly most?: Kept
}

interface Kept {
  readonly tokens: number
  /** Of tokens and what they were asked for with: callers choose the audiences. */
  readonly bytes: number
}

/** What happened, for the log and the metrics. Holds no token. */
export type JwtSvidEvent =
  | { readonly kind: 'cached'; readonly entry: Entry }
  | {
      readonly kind: 'signed'
      readonly entry: Entry
      readonly audiences: number
      /** ms since the epoch */
      readonly expiresAt: number
      readonly authorityId: string
    }
  | {
      readonly kind: 'failed'
      readonly entry: Entry
      readonly code: ErrorCode
      readonly message: string
      /** Whether the one before was still valid and was handed out. */
      readonly served: boolean
    }

const MOST: Kept = { tokens: 10_000, bytes: 16 * 2 ** 20 }

export function createJwtSvids(options: JwtSvidsOptions): JwtSvids {
  return new CachedJwtSvids(options)
}

class CachedJwtSvids implements JwtSvids {
  readonly #options: JwtSvidsOptions
  /** In the order of their last use. */
  readonly #kept = new Map<string, IssuedJwtSvid>()
  readonly #signing = new Map<string, Promise<IssuedJwtSvid>>()
  readonly #unsubscribe: () => void
  #bytes = 0
  #closed = false

  constructor(options: JwtSvidsOptions) {
    this.#options = options
    this.#unsubscribe = options.authority.state.subscribe(() => this.#forgetWithdrawn())
  }

  async fetch(entry: Entry, audience: readonly string[]): Promise<IssuedJwtSvid> {
    const wanted = checkedAudience(audience)
    const key = JSON.stringify([entry.id, ...wanted.toSorted()])
    const kept = this.#kept.get(key)
    if (kept !== undefined && this.#isFresh(kept)) {
      // Put last: it is the one used last.
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      this.#options.onEvent?.({ kind: 'cached', entry })
      return kept
    }
    const underWay = this.#signing.get(key)
    try {
      const svid = await (underWay ?? this.#sign(key, entry, wanted))
      if (underWay !== undefined) this.#options.onEvent?.({ kind: 'cached', entry })
      return svid
    } catch (thrown) {
      const code = codeOf(thrown)
      // What cannot be asked for is no fault of the authority.
      if (code === 'request_invalid') throw thrown
      const served = kept !== undefined && this.#isValid(kept)
      this.#options.onEvent?.({ kind: 'failed', entry, code, message: messageOf(thrown), served })
      if (served) return kept
      throw thrown
    }
  }

  get size(): number {
    return this.#kept.size
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    this.#kept.clear()
  }

  /** For all that ask for the same meanwhile. */
  #sign(key: string, entry: Entry, audience: readonly string[]): Promise<IssuedJwtSvid> {
    const { authority, ttlMs, onEvent } = this.#options
    const { spiffeId, jwtSvidTtlMs = ttlMs, serverId } = entry
    const onServer = serverId === undefined ? {} : { entryId: serverId }
    const signing = authority
      .issue({ spiffeId, audience, ttlMs: jwtSvidTtlMs, ...onServer })
      .then((svid) => {
        this.#keep(key, svid)
        const { expiresAt, authorityId } = svid
        onEvent?.({ kind: 'signed', entry, audiences: audience.length, expiresAt, authorityId })
        return svid
      })
      .finally(() => this.#signing.delete(key))
    this.#signing.set(key, signing)
    return signing
  }

  #keep(key: string, svid: IssuedJwtSvid): void {
    if (this.#closed || !this.#known().has(svid.authorityId)) return
    this.#forget(key)
    this.#kept.set(key, svid)
    this.#bytes += sizeOf(key, svid)
    const { tokens, bytes } = this.#options.most ?? MOST
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= tokens && this.#bytes <= bytes) break
      this.#forget(oldest)
    }
  }

  #forget(key: string): void {
    const svid = this.#kept.get(key)
    if (svid === undefined) return
    this.#kept.delete(key)
    this.#bytes -= sizeOf(key, svid)
  }

  /** Nobody can verify what was signed with a key that is in no bundle any more, or soon will be in none. */
  #forgetWithdrawn(): void {
    const known = this.#known()
    for (const [key, { authorityId }] of this.#kept) if (!known.has(authorityId)) this.#forget(key)
  }

  #known(): ReadonlySet<string> {
    const { slots } = this.#options.authority.state.current
    const kept = slots.filter((slot) => slot.status !== 'tainted')
    return new Set(kept.map((slot) => slot.authorityId))
  }

  /** A clock that was set back leaves tokens of the future, which nobody would take. */
  #isValid({ issuedAt, expiresAt, authorityId }: IssuedJwtSvid): boolean {
    const now = this.#options.clock.now()
    return issuedAt <= now && now < expiresAt && this.#known().has(authorityId)
  }

  #isFresh({ issuedAt, expiresAt }: IssuedJwtSvid): boolean {
    const now = this.#options.clock.now()
    return issuedAt <= now && now < (issuedAt + expiresAt) / 2
  }
}

/** Texts of ASCII and, rarely, others: near enough. */
const sizeOf = (key: string, svid: IssuedJwtSvid): number => key.length + svid.token.length
