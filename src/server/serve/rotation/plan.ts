/** Which step of a rotation is next: a function of what there is of the authority, and of which are to go. */
import type { SlotView } from '../../../authority/authority.ts'
import { activeOf, successor } from '../localauthority/steps.ts'

export type Step = 'prepare' | 'activate' | 'taint' | 'revoke' | 'done'

export interface Plan {
  readonly step: Step
  /** What signs in the end; undefined: it is to be made. */
  readonly next?: string
  /** Those to be tainted or revoked, at the last two steps; before, those that will be. */
  readonly old: readonly string[]
}

/**
 * Which authorities a rotation that begins now is to end. One that is tainted already is on its way out by one that was not
 * finished, and then it is that which is finished.
 */
export function toGo(slots: readonly SlotView[]): ReadonlySet<string> {
  const retired = slots.filter(({ status }) => status === 'old' || status === 'tainted')
  const unfinished = retired.some(({ status }) => status === 'tainted')
  const active = unfinished ? undefined : activeOf(slots)
  return new Set([...retired, ...(active ? [active] : [])].map(({ authorityId }) => authorityId))
}

/** @param withdraws whether what is old can be tainted and revoked: not where what is trusted is a CA above */
export function planOf(
  slots: readonly SlotView[],
  going: ReadonlySet<string>,
  withdraws: boolean,
): Plan {
  const left = slots.filter(({ authorityId }) => going.has(authorityId))
  const ids = (these: readonly SlotView[]) => these.map(({ authorityId }) => authorityId)
  const active = activeOf(slots)
  if (active === undefined || going.has(active.authorityId)) {
    const next = successor(slots)?.authorityId
    const old = withdraws ? ids(left) : []
    return next === undefined ? { step: 'prepare', old } : { step: 'activate', next, old }
  }
  const next = active.authorityId
  if (!withdraws || left.length === 0) return { step: 'done', next, old: [] }
  const untainted = left.filter(({ status }) => status === 'old')
  if (untainted.length > 0) return { step: 'taint', next, old: ids(untainted) }
  return { step: 'revoke', next, old: ids(left) }
}
