import type { ChangeLog, Position } from '../../store/port.ts'
import { MOST_A_PAGE } from '../../store/port.ts'
import type { ChangedNames } from './resume.ts'

/** Beyond that many changes a full round costs less than what is read to avoid it. */
const MOST_PAGES = 10

/** What changed since `from` in the log of the store; undefined: it does not lead on from there, or it is too much. */
export async function changedNames(
  log: Pick<ChangeLog, 'since'>,
  from: Position,
): Promise<ChangedNames | undefined> {
  const entries = new Set<string>()
  const bundles = new Set<string>()
  let position = from
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const told = await log.since(position, MOST_A_PAGE)
    if (told.kind === 'start_anew') return undefined
    for (const { kind, key } of told.changes) {
      if (kind === 'entry') entries.add(key)
      if (kind === 'bundle') bundles.add(key)
    }
    position = told.position
    if (!told.more) return { entries, bundles, upTo: position.revision }
  }
  return undefined
}
