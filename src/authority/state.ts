import type { AuthorityState, Life } from './authority.ts'
import type { RotatingSlot } from './slots/rotation.ts'
import { slotViews } from './slots/views.ts'

/** What an X.509 authority shows of its slots. */
export function stateOf(
  slots: readonly RotatingSlot[],
  now: number,
  more: {
    readonly anchors: readonly Uint8Array[]
    readonly taintedAnchors: readonly Uint8Array[]
    readonly attached: Life | undefined
    readonly fault: string | undefined
  },
): AuthorityState {
  const { attached, fault, taintedAnchors } = more
  return {
    anchors: distinct(more.anchors),
    slots: slotViews(slots, { now }),
    ...(taintedAnchors.length > 0 && { taintedAnchors: distinct(taintedAnchors) }),
    ...(attached !== undefined && { attached }),
    ...(fault !== undefined && { fault }),
  }
}

export function sameState(one: AuthorityState, other: AuthorityState): boolean {
  return (
    one.fault === other.fault &&
    sameList(one.anchors, other.anchors) &&
    sameList(one.taintedAnchors ?? [], other.taintedAnchors ?? []) &&
    one.attached?.notBefore === other.attached?.notBefore &&
    one.attached?.notAfter === other.attached?.notAfter &&
    JSON.stringify(one.slots) === JSON.stringify(other.slots)
  )
}

function sameList(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  return (
    one.length === other.length &&
    one.every((der, at) => Buffer.compare(der, other[at] ?? der) === 0)
  )
}

function distinct(certificates: readonly Uint8Array[]): readonly Uint8Array[] {
  const byContent = new Map(certificates.map((der) => [Buffer.from(der).toString('base64'), der]))
  return [...byContent.values()]
}
