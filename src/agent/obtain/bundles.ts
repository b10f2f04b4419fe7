import type { AuthorityState } from '../../authority/authority.ts'
import type { JwtAuthorityState } from '../../authority/jwt/jwt-authority.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { Feed } from '../../runtime/feed.ts'
import type { Bundle } from '../../spiffe/bundle.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'

/** The bundles the agent serves: its own trust domain's, from the authorities, and those of federated ones. */
export interface Bundles {
  /**
   * A new map exactly when a bundle's content changes; a bundle that did not change is the same object in it. The own
   * trust domain is missing while the authority has no anchors.
   */
  readonly feed: Feed<ReadonlyMap<TrustDomain, Bundle>>
  /** undefined takes it away. @throws SpindleError `config_invalid` for the own trust domain. */
  setFederated(trustDomain: TrustDomain, bundle: Bundle | undefined): void
  close(): void
}

export function createBundles(
  trustDomain: TrustDomain,
  authority: Feed<AuthorityState>,
  jwtAuthority: Feed<JwtAuthorityState>,
): Bundles {
  const feed = createFeed<ReadonlyMap<TrustDomain, Bundle>>(new Map())
  const put = (name: TrustDomain, bundle: Bundle | undefined): void => {
    const before = feed.current.get(name)
    if (bundle === before) return
    if (bundle !== undefined && before !== undefined && contentOf(bundle) === contentOf(before)) {
      return
    }
    const next = new Map(feed.current)
    if (bundle === undefined) next.delete(name)
    else next.set(name, bundle)
    feed.set(next)
  }
  const putOwn = (): void => {
    const { anchors } = authority.current
    const own = { trustDomain, x509Authorities: anchors, jwtAuthorities: jwtAuthority.current.keys }
    put(trustDomain, anchors.length === 0 ? undefined : own)
  }
  putOwn()
  const unsubscribes = [authority.subscribe(putOwn), jwtAuthority.subscribe(putOwn)]
  return {
    feed,
    setFederated(name, bundle) {
      if (name === trustDomain) {
        const fault = `bundles: ${name} is the own trust domain, whose bundle is the authority's`
        throw new SpindleError('config_invalid', fault)
      }
      put(name, bundle)
    },
    close: () => unsubscribes.forEach((unsubscribe) => unsubscribe()),
  }
}

/** The same text for bundles that say the same; the order of authorities says nothing. */
function contentOf(bundle: Bundle): string {
  const authorities = bundle.x509Authorities.map((der) => Buffer.from(der).toString('base64'))
  const jwks = bundle.jwtAuthorities.map((jwk) => JSON.stringify(Object.entries(jwk).sort(byName)))
  const { sequence, refreshHintSeconds } = bundle
  return JSON.stringify([
    Array.from(new Set(authorities)).sort(),
    jwks.sort(),
    sequence?.toString(),
    refreshHintSeconds,
  ])
}

const byName = ([one]: [string, unknown], [other]: [string, unknown]): number =>
  one < other ? -1 : 1
