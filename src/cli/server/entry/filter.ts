/** Which entries, or agents, are meant: flags as the filters of the API. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { FederatesWithMatch_MatchBehavior } from '#spire/api/types/federateswith_pb.js'
import type { SelectorMatchSchema } from '#spire/api/types/selector_pb.js'
import { SelectorMatch_MatchBehavior } from '#spire/api/types/selector_pb.js'
import type { SPIFFEID } from '#spire/api/types/spiffeid_pb.js'
import { parseSelector } from '../../../registration/selector.ts'
import { parseSpiffeId } from '../../../spiffe/spiffe-id.ts'
import { selectorMessage } from '../../../wire/spire/entry.ts'
import { spiffeIdMessage } from '../../../wire/spire/spiffe-id.ts'
import type { Match } from '../options.ts'

export interface FilterFlags {
  readonly spiffeId?: string
  readonly parentId?: string
  readonly selector?: readonly string[]
  readonly matchSelectorsOn: Match
  readonly federatesWith?: readonly string[]
  readonly matchFederatesWithOn: Match
  readonly hint?: string
  readonly downstream?: true
}

const SELECTORS = {
  exact: SelectorMatch_MatchBehavior.MATCH_EXACT,
  subset: SelectorMatch_MatchBehavior.MATCH_SUBSET,
  superset: SelectorMatch_MatchBehavior.MATCH_SUPERSET,
  any: SelectorMatch_MatchBehavior.MATCH_ANY,
}

const TRUST_DOMAINS = {
  exact: FederatesWithMatch_MatchBehavior.MATCH_EXACT,
  subset: FederatesWithMatch_MatchBehavior.MATCH_SUBSET,
  superset: FederatesWithMatch_MatchBehavior.MATCH_SUPERSET,
  any: FederatesWithMatch_MatchBehavior.MATCH_ANY,
}

/** Of ListEntries and of CountEntries alike. @throws SpindleError `spiffe_id_invalid`, `selector_invalid` */
export function filterOf(flags: FilterFlags) {
  const { spiffeId, parentId, selector, federatesWith, hint, downstream } = flags
  return {
    ...(spiffeId !== undefined && { bySpiffeId: idMessage(spiffeId) }),
    ...(parentId !== undefined && { byParentId: idMessage(parentId) }),
    ...(selector !== undefined && {
      bySelectors: selectorFilter(selector, flags.matchSelectorsOn),
    }),
    ...(federatesWith !== undefined && {
      byFederatesWith: {
        trustDomains: [...federatesWith],
        match: TRUST_DOMAINS[flags.matchFederatesWithOn],
      },
    }),
    ...(hint !== undefined && { byHint: hint }),
    ...(downstream !== undefined && { byDownstream: downstream }),
  }
}

export function selectorFilter(
  selectors: readonly string[],
  match: Match,
): MessageInitShape<typeof SelectorMatchSchema> {
  return {
    selectors: selectors.map((text) => selectorMessage(parseSelector(text))),
    match: SELECTORS[match],
  }
}

export const idMessage = (text: string): SPIFFEID => spiffeIdMessage(parseSpiffeId(text))
