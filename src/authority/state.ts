import type { AuthorityState, Life } from './authority.ts'
import type { RotatingSlot } from './slots/rotation.ts'
import { slotViews } from './slots/views.ts'

/** What an X.509 authority shows of its slots. */
export function stateOf(
  slots: readonly RotatingSlot[],
  now: number,
  more: {
    readonly anchors: readonly Uint8Array[]
    readonly attached: Life | undefined
    readonly fault: string | undefined
  },
): AuthorityState {
  const { attached, fault } = more
  return {
    anchors: distinct(more.anchors),
    slots: slotViews(slots, { now }),
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
