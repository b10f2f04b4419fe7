import type { Entry } from '../registration/entry.ts'
import type { Granted } from '../registration/granted.ts'
import { trustDomainId, type SpiffeId, type TrustDomain } from '../spiffe/spiffe-id.ts'

/** What every caller's names have in common. */
export interface NamePolicy {
  /** SPIRE's and Istio's names, as configured. */
  readonly reserved: {
    readonly svid: string
    readonly bundle: string
    readonly allBundles: string
  }
  readonly aliases: ReadonlyMap<string, SpiffeId>
  /** The agent's own. */
  readonly trustDomain: TrustDomain
  /** Whether the bundle of the own trust domain is also for callers without an entry. */
  readonly unregisteredBundles: boolean
}

export type Meaning =
  | { readonly kind: 'svid'; readonly entry: Entry }
  | { readonly kind: 'bundle'; readonly trustDomain: TrustDomain }
  /** Own and federated, sorted, each once. */
  | { readonly kind: 'all-bundles'; readonly trustDomains: readonly TrustDomain[] }
  | { readonly kind: 'none'; readonly why: string }

/**
 * What a resource name means for a caller. Reserved names come first, then SPIFFE IDs, aliases, and hints, so that
 * nothing an entry says can take over a name that means something to everyone.
 */
export function meaningOf(name: string, policy: NamePolicy, granted: Granted): Meaning {
  const { reserved, aliases, trustDomain } = policy
  const { entries, defaultEntry } = granted
  // Trust material too is only for callers that are registered, unless the config says otherwise.
  if (entries.length === 0 && !policy.unregisteredBundles)
    return none('no entry matches this caller')
  if (name === reserved.svid)
    return defaultEntry === undefined
      ? none('no entry matches this caller')
      : { kind: 'svid', entry: defaultEntry }
  if (name === reserved.bundle) return { kind: 'bundle', trustDomain }
  if (name === reserved.allBundles)
    return { kind: 'all-bundles', trustDomains: trustDomainsOf(policy, granted) }
  if (name.startsWith('spiffe://')) return meaningOfId(name, policy, granted)
  const alias = aliases.get(name)
  // An alias decides: were a hint tried next, the name would change its identity the day the alias is granted.
  if (alias !== undefined) return meaningOfId(alias, policy, granted)
  const hinted = granted.ofHint(name)
  return hinted === undefined
    ? none('the name is no alias, and no entry of this caller has it as its hint')
    : { kind: 'svid', entry: hinted }
}

/**
 * What a name means however the entries that are undecided turn out; undefined while they may change it. An older entry
 * of the same hint, or one that would be the default, must not come after the name was given to another.
 * @param possible the granted entries with the undecided ones among them
 */
export function settledMeaning(
  name: string,
  policy: NamePolicy,
  { granted, possible }: { readonly granted: Granted; readonly possible: Granted },
): Meaning | undefined {
  const meaning = meaningOf(name, policy, granted)
  if (possible.entries.length === granted.entries.length) return meaning
  return isSame(meaning, meaningOf(name, policy, possible)) ? meaning : undefined
}

function isSame(one: Meaning, other: Meaning): boolean {
  switch (one.kind) {
    case 'svid':
      return other.kind === 'svid' && one.entry.id === other.entry.id
    case 'bundle':
      return other.kind === 'bundle' && one.trustDomain === other.trustDomain
    case 'all-bundles':
      return other.kind === 'all-bundles' && one.trustDomains.join() === other.trustDomains.join()
    case 'none':
      return other.kind === 'none'
  }
}

function meaningOfId(id: string, policy: NamePolicy, granted: Granted): Meaning {
  const trustDomain = id.slice('spiffe://'.length) as TrustDomain
  if (trustDomain === policy.trustDomain || granted.federatesWith.has(trustDomain))
    return { kind: 'bundle', trustDomain }
  const entry = granted.ofSpiffeId(id as SpiffeId)
  return entry === undefined
    ? none('no entry of this caller has this SPIFFE ID or federates with this trust domain')
    : { kind: 'svid', entry }
}

/** All names of a caller, as SPIRE lists them for an empty request: bundles, then one SVID for each SPIFFE ID. */
export function namesOf(policy: NamePolicy, granted: Granted): readonly string[] {
  const { entries } = granted
  if (entries.length === 0 && !policy.unregisteredBundles) return []
  const bundles = trustDomainsOf(policy, granted).map(trustDomainId)
  return [...new Set<string>([...bundles, ...entries.map((entry) => entry.spiffeId)])]
}

function trustDomainsOf(policy: NamePolicy, granted: Granted): readonly TrustDomain[] {
  return [...new Set([policy.trustDomain, ...granted.federatesWith])].toSorted()
}

function none(why: string): Meaning {
  return { kind: 'none', why }
}
