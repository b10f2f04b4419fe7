/** What is served, from its sources: the authorities, and the identities, tokens and bundles that come of them. */
import type { AuthorityEvent, AuthorityState, X509Authority } from '../../authority/authority.ts'
import type { JwtAuthority, JwtAuthorityState } from '../../authority/jwt/jwt-authority.ts'
import type { StandaloneConfig } from '../../config/agent-config.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Bundle } from '../../spiffe/bundle.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Source } from '../match/source.ts'
import { createBundles } from './bundles.ts'
import type { Bundles } from './bundles.ts'
import type { IdentityEvent } from './identity.ts'
import { createIdentities } from './identities.ts'
import type { Identities } from './identities.ts'
import { createJwtSvids } from './jwt-svids.ts'
import type { JwtSvidEvent, JwtSvids } from './jwt-svids.ts'
import { openAuthority, openJwtAuthority } from './open-authority.ts'

export interface Supply {
  readonly authority: X509Authority
  readonly identities: Identities
  readonly jwtAuthority: JwtAuthority
  readonly jwtSvids: JwtSvids
  readonly bundles: Bundles
  close(): Promise<void>
}

/** Told what is there, and each change. */
export interface SupplyReport {
  authority(state: AuthorityState): void
  authorityEvent(event: AuthorityEvent): void
  jwtAuthority(state: JwtAuthorityState): void
  jwtAuthorityEvent(event: AuthorityEvent): void
  identityEvent(event: IdentityEvent): void
  jwtSvidEvent(event: JwtSvidEvent): void
  bundles(bundles: ReadonlyMap<TrustDomain, Bundle>): void
}

export interface SupplyOptions {
  readonly clock: Clock
  readonly random: Random
  /** Bundles of other trust domains. */
  readonly federated: ReadonlyMap<TrustDomain, Source<Bundle>>
  readonly report: SupplyReport
}

/** `stateDir` must be there and ours. @throws SpindleError `config_invalid` where an attached CA cannot be used. */
export async function openSupply(
  config: StandaloneConfig,
  options: SupplyOptions,
): Promise<Supply> {
  const { clock, random, federated, report } = options
  const authority = await openAuthority(config, { clock, random, onEvent: report.authorityEvent })
  report.authority(authority.state.current)
  authority.state.subscribe(report.authority)
  const onEvent = report.identityEvent
  const identities = createIdentities({ ...config.svid, authority, clock, random, onEvent })
  const jwtAuthority = await openJwtAuthority(config, {
    clock,
    random,
    onEvent: report.jwtAuthorityEvent,
  })
  report.jwtAuthority(jwtAuthority.state.current)
  jwtAuthority.state.subscribe(report.jwtAuthority)
  const jwtSvids = createJwtSvids({
    authority: jwtAuthority,
    clock,
    ttlMs: config.svid.jwtTtlMs,
    onEvent: report.jwtSvidEvent,
  })
  const bundles = createBundles(config.trustDomain, authority.state, jwtAuthority.state)
  for (const [trustDomain, source] of federated) {
    bundles.setFederated(trustDomain, source.content.current)
    source.content.subscribe((bundle) => bundles.setFederated(trustDomain, bundle))
  }
  report.bundles(bundles.feed.current)
  bundles.feed.subscribe(report.bundles)
  return {
    authority,
    identities,
    jwtAuthority,
    jwtSvids,
    bundles,
    async close() {
      for (const part of [identities, jwtSvids, bundles]) part.close()
      await Promise.all([authority.close(), jwtAuthority.close()])
    },
  }
}
