/** Selectors and filters by sets between messages and values. */
import { FederatesWithMatch_MatchBehavior as FederatesWith } from '../../../gen/spire/api/types/federateswith_pb.js'
import type { FederatesWithMatch } from '../../../gen/spire/api/types/federateswith_pb.js'
import { SelectorMatch_MatchBehavior as Selectors } from '../../../gen/spire/api/types/selector_pb.js'
import type {
  Selector as SelectorMessage,
  SelectorMatch,
} from '../../../gen/spire/api/types/selector_pb.js'
import { parseSelector } from '../../../registration/selector.ts'
import type { Selector } from '../../../registration/selector.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { SetFilter, SetMatch } from '../../../store/port.ts'
import { readTrustDomain } from './ids.ts'

export { selectorMessage } from '../../../wire/spire/entry.ts'

type SelectorFields = Pick<SelectorMessage, 'type' | 'value'>

/** @throws SpindleError `request_invalid`, `selector_invalid` */
export function readSelector({ type, value }: SelectorFields): Selector {
  const fault = selectorFault(type, value)
  if (fault !== undefined) throw new SpindleError('request_invalid', fault)
  return parseSelector(`${type}:${value}`)
}

function selectorFault(type: string, value: string): string | undefined {
  if (type === '') return 'missing selector type'
  if (type.includes(':')) return "selector type contains ':'"
  return value === '' ? 'missing selector value' : undefined
}

/** `unix` of `unix:uid:1000`. */
export function selectorType(selector: Selector): string {
  return selector.slice(0, selector.indexOf(':'))
}

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
