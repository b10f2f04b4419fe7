import { SpindleError, messageOf } from '../runtime/errors.ts'
import { shownText } from '../runtime/shown-text.ts'

/** What was passed over in a response, one line each. */
export interface Notes {
  readonly lines: readonly string[]
  add(line: string): void
}

/** What an agent chose is cut short, and nothing of it is said where it holds a key that strayed there. */
const shown = (text: string): string => shownText(text, 512)

/**
 * Reads a response whole or not at all.
 * @throws SpindleError `agent_failed`: it breaks a rule, and is to be told of and discarded (Workload API 4.5)
 */
export function reading<T>(what: string, read: (notes: Notes) => T): T {
  const lines: string[] = []
  try {
    return read({ lines, add: (line) => void lines.push(shown(line)) })
  } catch (thrown) {
    throw new SpindleError('agent_failed', `${what} is discarded: ${shown(messageOf(thrown))}`)
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
    notes.add(`${spiffeId} is passed over: its hint ${JSON.stringify(hint)} is another's already`)
    return false
  })
}
