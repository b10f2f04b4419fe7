/** The X.509 profile (SPIFFE_Workload_API 5): a caller's X.509-SVIDs, and the bundles to verify those of others with. */
import { X509BundlesResponseSchema, X509SVIDResponseSchema } from '#spiffe/workload/workload_pb.js'
import type { Feed } from '../../../runtime/feed.ts'
import type { Bundle } from '../../../spiffe/bundle.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { trustDomainId } from '../../../spiffe/spiffe-id.ts'
import type { Identity } from '../../obtain/identity.ts'
import type { Grant } from '../grant/grant.ts'
import type { Bundles } from '../secrets.ts'
import type { AnswerOf } from './answer.ts'
import { NO_OWN_BUNDLE, NOT_SETTLED, nothingGranted } from './answer.ts'
import { federatedWith, isSettled, presented } from './identities.ts'
import type { Message } from './message.ts'
import { MadeOf, makeMessage } from './message.ts'

export interface ProfileParts {
  readonly bundles: Feed<Bundles>
  /** Own. */
  readonly trustDomain: TrustDomain
  /** A caller without an entry may read the own bundle. */
  readonly unregisteredBundles: boolean
}

const NOT_ISSUED = 'the X.509-SVID could not be issued yet'

export function createX509Svids({ bundles, trustDomain }: ProfileParts): AnswerOf {
  const made = new MadeOf<Message>()
  return (grant, first) => {
    const { granted, possible, undecided } = grant
    const entries = presented(granted)
    if (entries.length === 0) return nothingGranted(grant)
    if (first && !isSettled(granted, possible))
      return { kind: 'pending', why: undecided ?? NOT_SETTLED }
    const own = bundles.current.get(trustDomain)
    if (own === undefined || own.x509Authorities.length === 0)
      return { kind: 'pending', why: NO_OWN_BUNDLE }
    const { identities, awaiting, failing } = heldOf(grant, entries)
    const [leading] = identities
    // Whoever takes the first of them must not begin as another than the one it is.
    if (leading === undefined || (first && leading.entry.id !== entries[0]?.id)) {
      if (failing === undefined) return { kind: 'pending', why: awaiting ?? NOT_ISSUED }
      return { kind: 'pending', why: NOT_ISSUED, inside: failing }
    }
    const federated = withX509(bundles.current, federatedWith(granted))
    const value = made.of([own, ...federated, ...identities], () =>
      svidsMessage(own, federated, identities),
    )
    return { kind: 'there', value, awaiting: undecided ?? awaiting }
  }
}

/** Nothing expired is among them. What cannot be issued is not awaited: it may be missing for long. */
function heldOf(grant: Grant, entries: ReturnType<typeof presented>) {
  const identities: Identity[] = []
  let awaiting: string | undefined
  let failing: string | undefined
  for (const entry of entries) {
    const lease = grant.lease(entry.id)
    if (lease?.current !== undefined) identities.push(lease.current)
    else if (lease?.fault === undefined)
      awaiting ??= `the X.509-SVID of ${entry.spiffeId} is being issued`
    else failing ??= lease.fault
  }
  return { identities, awaiting, failing }
}

function svidsMessage(
  own: Bundle,
  federated: readonly Bundle[],
  identities: readonly Identity[],
): Message {
  const bundle = certificatesOf(own)
  return makeMessage(
    X509SVIDResponseSchema,
    {
      svids: identities.map(({ entry, svid, pkcs8 }) => ({
        spiffeId: entry.spiffeId,
        x509Svid: Buffer.concat(svid.chain),
        x509SvidKey: pkcs8,
        bundle,
        hint: entry.hint,
      })),
      federatedBundles: bundleMap(federated),
    },
    {
      spiffeIds: identities.map(({ entry }) => entry.spiffeId),
      notAfter: Math.min(...identities.map(({ svid }) => svid.notAfter)),
    },
  )
}

export function createX509Bundles(parts: ProfileParts): AnswerOf {
  const { bundles, trustDomain, unregisteredBundles } = parts
  const made = new MadeOf<Message>()
  return (grant) => {
    const { granted } = grant
    if (granted.entries.length === 0 && !unregisteredBundles) return nothingGranted(grant)
    const own = bundles.current.get(trustDomain)
    if (own === undefined || own.x509Authorities.length === 0)
      return { kind: 'pending', why: NO_OWN_BUNDLE }
    const all = [own, ...withX509(bundles.current, federatedWith(granted))]
    const value = made.of(all, () =>
      makeMessage(X509BundlesResponseSchema, { bundles: bundleMap(all) }, { spiffeIds: [] }),
    )
    return { kind: 'there', value, awaiting: grant.undecided }
  }
}

/** A bundle without X.509 authorities is left out: there is none of that kind (WX-9, T-WX-5). */
function withX509(bundles: Bundles, names: readonly TrustDomain[]): readonly Bundle[] {
  return names.flatMap((name) => {
    const bundle = bundles.get(name)
    return bundle === undefined || bundle.x509Authorities.length === 0 ? [] : [bundle]
  })
}

/** Keyed by the SPIFFE ID of the trust domain (5.1). */
function bundleMap(bundles: readonly Bundle[]): Record<string, Uint8Array> {
  return Object.fromEntries(
    bundles.map((bundle) => [trustDomainId(bundle.trustDomain), certificatesOf(bundle)]),
  )
}

/** DER after DER, without padding (5.1). */
function certificatesOf({ x509Authorities }: Bundle): Buffer {
  return Buffer.concat(x509Authorities)
}
