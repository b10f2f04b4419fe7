/** Filters by sets, of selectors and of trust domains. */
import { FederatesWithMatch_MatchBehavior as FederatesWith } from '../../../gen/spire/api/types/federateswith_pb.js'
import type { FederatesWithMatch } from '../../../gen/spire/api/types/federateswith_pb.js'
import { SelectorMatch_MatchBehavior as Selectors } from '../../../gen/spire/api/types/selector_pb.js'
import type { SelectorMatch } from '../../../gen/spire/api/types/selector_pb.js'
import type { Selector } from '../../../registration/selector.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { SetFilter, SetMatch } from '../../../store/port.ts'
import { readSelector } from '../../../wire/spire/entry-fields.ts'
import { readTrustDomain } from '../../../wire/spire/spiffe-id.ts'

const SELECTOR_MATCHES: Readonly<Record<Selectors, SetMatch>> = {
  [Selectors.MATCH_EXACT]: 'exact',
  [Selectors.MATCH_SUBSET]: 'subset',
  [Selectors.MATCH_SUPERSET]: 'superset',
  [Selectors.MATCH_ANY]: 'any',
}

const FEDERATION_MATCHES: Readonly<Record<FederatesWith, SetMatch>> = {
  [FederatesWith.MATCH_EXACT]: 'exact',
  [FederatesWith.MATCH_SUBSET]: 'subset',
  [FederatesWith.MATCH_SUPERSET]: 'superset',
  [FederatesWith.MATCH_ANY]: 'any',
}

/** @throws SpindleError `request_invalid`, `selector_invalid` */
export function readSelectorFilter(
  filter: Pick<SelectorMatch, 'selectors' | 'match'>,
): SetFilter<Selector> {
  return setFilter(SELECTOR_MATCHES[filter.match], {
    of: filter.selectors.map(readSelector),
    empty: 'empty selector set',
  })
}

/** @throws SpindleError `request_invalid`, `spiffe_id_invalid` */
export function readFederationFilter(
  filter: Pick<FederatesWithMatch, 'trustDomains' | 'match'>,
): SetFilter<TrustDomain> {
  return setFilter(FEDERATION_MATCHES[filter.match], {
    of: filter.trustDomains.map(readTrustDomain),
    empty: 'empty trust domain set',
  })
}

function setFilter<T>(
  match: SetMatch | undefined,
  { of, empty }: { readonly of: readonly T[]; readonly empty: string },
): SetFilter<T> {
  if (of.length === 0) throw new SpindleError('request_invalid', empty)
  // A newer client's.
  if (match === undefined) throw new SpindleError('request_invalid', 'unknown match behavior')
  return { match, of }
}
