import type { SlotView } from '../authority.ts'
import { activationInstant, successorOf } from './rotation.ts'
import type { RotatingSlot } from './rotation.ts'

/** What an authority shows of its slots. */
export function slotViews(
  slots: readonly RotatingSlot[],
  at: { readonly now: number; readonly publishMs?: number | undefined },
): readonly SlotView[] {
  const active = slots.find((slot) => slot.status === 'active')
  const successor = successorOf(slots, at.now)
  return slots.map((slot): SlotView => {
    const { authorityId, status, notBefore, notAfter } = slot
    const view = { authorityId, status, notBefore, notAfter }
    if (slot !== successor) return view
    return { ...view, activatesAt: Math.max(activationInstant(active, slot, at), at.now) }
  })
}
