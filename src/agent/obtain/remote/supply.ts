/** What is served where a server has the entries and signs: the same parts as of an agent alone, fed by the link. */
import type { AuthorityState, X509Authority } from '../../../authority/authority.ts'
import type { JwtAuthority, JwtAuthorityState } from '../../../authority/jwt/jwt-authority.ts'
import type { RemoteConfig } from '../../../config/agent-config.ts'
import type { Registry } from '../../../registration/match.ts'
import type { Clock, Timer } from '../../../runtime/clock.ts'
import type { MutableFeed } from '../../../runtime/feed.ts'
import type { Random } from '../../../runtime/random.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Bundles } from '../bundles.ts'
import { createBundles } from '../bundles.ts'
import type { Cache } from '../cache/cache.ts'
import type { Identities } from '../identities.ts'
import { createIdentities } from '../identities.ts'
import { createJwtSvids } from '../jwt-svids.ts'
import type { Holds, Served, ServerLink } from '../server/link.ts'
import type { Supply, SupplyReport } from '../supply.ts'
import type { RemoteJwtAuthority } from './authorities.ts'
import { createRemoteJwt, createRemoteX509 } from './authorities.ts'
import { keepRegistry } from './served-registry.ts'

export interface RemoteSupplyOptions {
  readonly clock: Clock
  readonly random: Random
  readonly link: ServerLink
  /** undefined: nothing is kept. */
  readonly cache: Cache | undefined
  /** Set to what callers are matched with, once that is known. */
  readonly registry: MutableFeed<Registry | undefined>
  readonly report: SupplyReport
}

export function createRemoteSupply(config: RemoteConfig, options: RemoteSupplyOptions): Supply {
  const { clock, random, link, cache, registry, report } = options
  const { trustDomain, svid } = config
  const common = { link, trustDomain, clock }
  const authority = createRemoteX509({ ...common, onEvent: report.authorityEvent })
  const jwtAuthority = createRemoteJwt({ ...common, onEvent: report.jwtAuthorityEvent })
  reportSlots(authority, jwtAuthority, report)
  const identities = createIdentities({
    ...svid,
    authority,
    clock,
    random,
    spreads: true,
    onEvent: report.identityEvent,
    ...(cache && { kept: (entry) => cache.kept(entry) }),
  })
  const jwtSvids = createJwtSvids({
    authority: jwtAuthority,
    clock,
    ttlMs: svid.jwtTtlMs,
    onEvent: report.jwtSvidEvent,
  })
  const bundles = createBundles(trustDomain, authority.state, jwtAuthority.state)
  const entries = keepRegistry(registry, { trustDomain, clock })
  const take = (served: Served | undefined): void => {
    // The bundle begins with its X.509 authorities, and is whole then.
    jwtAuthority.refresh()
    authority.refresh()
    if (served === undefined) return
    // What an entry names is there before it, and gone after it.
    putFederated(bundles, trustDomain, served)
    entries.set(served)
    dropFederated(bundles, trustDomain, served)
  }
  take(link.served.current)
  report.bundles(bundles.feed.current)
  bundles.feed.subscribe(report.bundles)
  const holding = tellHeld(link, { identities, authority, jwtAuthority, clock })
  const unsubscribes = [
    link.served.subscribe(take),
    link.state.subscribe(() => {
      authority.refresh()
      jwtAuthority.refresh()
    }),
    holding,
  ]
  cache?.follow(identities, registry)
  return {
    authority,
    identities,
    jwtAuthority,
    jwtSvids,
    bundles,
    async close() {
      for (const unsubscribe of unsubscribes) unsubscribe()
      entries.close()
      // The identities are still there to be kept.
      await cache?.close()
      for (const part of [identities, jwtSvids, bundles]) part.close()
      await link.close()
    },
  }
}

/** That the server is away is told of the server, and not of each authority as well. */
function reportSlots(
  { state }: X509Authority,
  { state: jwtState }: JwtAuthority,
  report: SupplyReport,
): void {
  const x509 = (told: AuthorityState): void => report.authority(withoutFault(told))
  const jwt = (told: JwtAuthorityState): void => report.jwtAuthority(withoutFault(told))
  x509(state.current)
  jwt(jwtState.current)
  state.subscribe(x509)
  jwtState.subscribe(jwt)
}

function withoutFault<T extends { readonly fault?: string }>(state: T): Omit<T, 'fault'> {
  const { fault: _fault, ...rest } = state
  return rest
}

function putFederated(bundles: Bundles, own: TrustDomain, served: Served): void {
  for (const [name, { bundle }] of served.bundles)
    if (name !== own) bundles.setFederated(name, bundle)
}

function dropFederated(bundles: Bundles, own: TrustDomain, served: Served): void {
  for (const name of bundles.feed.current.keys())
    if (name !== own && !served.bundles.has(name)) bundles.setFederated(name, undefined)
}

/** Soon enough for who waits to revoke an authority, and once for all that are renewed together. */
const TELL_MS = 500
const LOOK_MS = 60_000

/** Tells the server which authorities' SVIDs are held, when that changes. @returns what ends it */
function tellHeld(
  link: ServerLink,
  parts: {
    readonly identities: Identities
    readonly authority: X509Authority
    readonly jwtAuthority: RemoteJwtAuthority
    readonly clock: Clock
  },
): () => void {
  const { identities, authority, jwtAuthority, clock } = parts
  let told = ''
  let timer: Timer
  let isSoon = false
  const read = (): Holds => {
    const x509 = new Set(identities.current().map(({ svid }) => svid.authorityId))
    return {
      x509: taintedFirst(x509, authority.state.current),
      jwt: taintedFirst(jwtAuthority.held(), jwtAuthority.state.current),
    }
  }
  const look = (): void => {
    const text = JSON.stringify(read())
    if (text !== told) {
      told = text
      link.holds(read)
    }
    isSoon = false
    // A token that has expired tells nobody.
    timer = clock.after(LOOK_MS, look)
  }
  const soon = (): void => {
    if (isSoon) return
    isSoon = true
    timer.cancel()
    timer = clock.after(TELL_MS, look)
  }
  // From the first round on: what was kept from before is held.
  look()
  const unsubscribes = [identities.onChange(soon), jwtAuthority.state.subscribe(soon)]
  return () => {
    timer.cancel()
    for (const unsubscribe of unsubscribes) unsubscribe()
  }
}

/** Where there are more than can be told, those that are to be revoked are among those that are. */
function taintedFirst(
  ids: Iterable<string>,
  { slots }: Pick<AuthorityState, 'slots'>,
): readonly string[] {
  const tainted = new Set(
    slots.flatMap(({ status, authorityId }) => (status === 'tainted' ? [authorityId] : [])),
  )
  const rank = (id: string): number => (tainted.has(id) ? 0 : 1)
  return [...ids].toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}
