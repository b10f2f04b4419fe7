import type { AuthorityState, Life, SlotView } from './authority.ts'
import { activationInstant, successorOf } from './rotation.ts'
import type { RotatingSlot } from './rotation.ts'

/** What the authority shows of its slots. */
export function stateOf(
  slots: readonly RotatingSlot[],
  now: number,
  more: {
    readonly anchors: readonly Uint8Array[]
    readonly attached: Life | undefined
    readonly fault: string | undefined
  },
): AuthorityState {
  const active = slots.find((slot) => slot.status === 'active')
  const successor = successorOf(slots, now)
  const views = slots.map((slot): SlotView => {
    const { authorityId, status, notBefore, notAfter } = slot
    const view = { authorityId, status, notBefore, notAfter }
    if (slot !== successor) return view
    return { ...view, activatesAt: Math.max(activationInstant(active, slot, now), now) }
  })
  const { attached, fault } = more
  return {
    anchors: distinct(more.anchors),
    slots: views,
    ...(attached !== undefined && { attached }),
    ...(fault !== undefined && { fault }),
  }
}

export function sameState(one: AuthorityState, other: AuthorityState): boolean {
  return (
    one.fault === other.fault &&
    one.anchors.length === other.anchors.length &&
    one.anchors.every((anchor, at) => Buffer.compare(anchor, other.anchors[at] ?? anchor) === 0) &&
    one.attached?.notBefore === other.attached?.notBefore &&
    one.attached?.notAfter === other.attached?.notAfter &&
    JSON.stringify(one.slots) === JSON.stringify(other.slots)
  )
}

function distinct(certificates: readonly Uint8Array[]): readonly Uint8Array[] {
  const byContent = new Map(certificates.map((der) => [Buffer.from(der).toString('base64'), der]))
  return [...byContent.values()]
}
