import { SpindleError, messageOf } from '../runtime/errors.ts'

/** What a reader says beside its result: what was passed over, one line each. */
export type Notes = string[]

/**
 * Reads a response whole or not at all.
 * @throws SpindleError `agent_failed`: it breaks a rule, and is to be told of and discarded (Workload API 4.5)
 */
export function reading<T>(what: string, read: (notes: Notes) => T): T {
  try {
    return read([])
  } catch (thrown) {
    throw new SpindleError('agent_failed', `${what} is discarded: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
}

/** Hints tell identities apart; where one occurs twice, the first has it, and the other is passed over (WT-27). */
export function firstOfEachHint<T extends { readonly hint: string; readonly spiffeId: string }>(
  svids: readonly T[],
  notes: Notes,
): readonly T[] {
  const seen = new Set<string>()
  return svids.filter(({ hint, spiffeId }) => {
    if (hint === '') return true
    if (!seen.has(hint)) return seen.add(hint)
    notes.push(`${spiffeId} is passed over: its hint ${JSON.stringify(hint)} is another's already`)
    return false
  })
}
