/** Authorities of a server, as those in this process look: they sign what the server agrees to, and rotate as it says. */
import type { AuthorityEvent, X509Authority } from '../../../authority/authority.ts'
import type { JwtAuthority } from '../../../authority/jwt/jwt-authority.ts'
import { sameState } from '../../../authority/state.ts'
import { writeCsr } from '../../../certs/csr/write.ts'
import { parseEntryId } from '../../../registration/server-entry.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { createFeed } from '../../../runtime/feed.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { ServedBundle, ServerLink } from '../server/link.ts'
import type { Known } from './state.ts'
import { jwtState, jwtStateText, x509State } from './state.ts'

export interface RemoteOptions {
  readonly link: ServerLink
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly onEvent?: (event: AuthorityEvent) => void
}

/** An authority that says anew what it is, where what it says may have changed. */
type Remote<A> = A & { refresh(): void }

export function createRemoteX509(options: RemoteOptions): Remote<X509Authority> {
  const { link, clock, onEvent } = options
  const view = viewOf(options)
  const state = createFeed(x509State(...view.read()))
  const refresh = (): void => {
    const next = x509State(...view.read())
    if (!sameState(state.current, next)) state.set(next)
  }
  return {
    state,
    refresh,
    async issue({ onServer }) {
      const { entryId, key } = asked(onServer)
      const started = clock.monotonic()
      const csr = await writeCsr(key)
      const issuedAt = clock.now()
      const signed = await link.signX509({ entryId: parseEntryId(entryId), csr })
      onEvent?.({ kind: 'issued', tookMs: clock.monotonic() - started })
      const { chain, notBefore, notAfter, authorityId } = signed
      if (view.signedBy(authorityId)) refresh()
      return { chain, notBefore, notAfter, issuedAt, authorityId }
    },
    prepare: notHere,
    activate: notHere,
    reload: async () => undefined,
    close: async () => undefined,
  }
}

export interface RemoteJwtAuthority extends Remote<JwtAuthority> {
  /** The `kid`s of what was handed out and has not expired. */
  held(): readonly string[]
}

export function createRemoteJwt(options: RemoteOptions): RemoteJwtAuthority {
  const { link, clock, onEvent } = options
  const view = viewOf(options)
  const state = createFeed(jwtState(...view.read()))
  const ends = new Map<string, number>()
  const refresh = (): void => {
    const next = jwtState(...view.read())
    if (jwtStateText(state.current) !== jwtStateText(next)) state.set(next)
  }
  return {
    state,
    refresh,
    async issue({ entryId, audience }) {
      const started = clock.monotonic()
      const signed = await link.signJwt({ entryId: parseEntryId(asked(entryId)), audience })
      onEvent?.({ kind: 'issued', tookMs: clock.monotonic() - started })
      const { token, issuedAt, expiresAt, authorityId } = signed
      ends.set(authorityId, Math.max(ends.get(authorityId) ?? 0, expiresAt))
      if (view.signedBy(authorityId)) refresh()
      return { token, issuedAt, expiresAt, authorityId }
    },
    held() {
      const now = clock.now()
      for (const [authorityId, end] of ends) if (end <= now) ends.delete(authorityId)
      return [...ends.keys()].toSorted()
    },
    prepare: notHere,
    activate: notHere,
    replace: notHere,
    close: async () => undefined,
  }
}

/** What of the link an authority is made of. */
function viewOf({ link, trustDomain, clock }: RemoteOptions) {
  let signer: string | undefined
  return {
    read(): [own: ServedBundle | undefined, known: Known] {
      const { fault } = link.state.current
      return [link.served.current?.bundles.get(trustDomain), { signer, fault, now: clock.now() }]
    },
    /** @returns whether that is another one than before */
    signedBy(authorityId: string): boolean {
      const isOther = signer !== authorityId
      signer = authorityId
      return isOther
    },
  }
}

function asked<T>(value: T | undefined): T {
  if (value === undefined)
    throw new SpindleError('internal', 'a server is asked for an entry that it does not have')
  return value
}

function notHere(): Promise<never> {
  const fault = 'the authorities are those of the server: rotate them there'
  return Promise.reject(new SpindleError('precondition_failed', fault))
}
