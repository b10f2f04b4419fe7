/**
 * When an authority prepares, activates and drops its certificates or keys: a step function on plain values.
 * Slots go prepared → active → old (→ tainted), with SPIRE's thresholds (prepare at notAfter − min(life/2, 30 d), activate at
 * notAfter − min(life/6, 7 d)). A successor is in the bundle before it signs and is given time to arrive
 * everywhere; only where waiting would leave nothing valid to sign with does it sign at once.
 */
import type { SlotStatus } from '../authority.ts'

export interface RotatingSlot {
  readonly authorityId: string
  readonly status: SlotStatus
  /** ms since the epoch */
  readonly notBefore: number
  readonly notAfter: number
  /** When it was stored and in the bundle (ms since the epoch); undefined: not yet, so it signs in an emergency only. */
  readonly publishedAt?: number | undefined
  /** What it was signed by has been replaced, or another is asked for: its successor is due as soon as it was out long enough. */
  readonly superseded?: boolean
}

export type RotationAction =
  | { readonly kind: 'prepare' }
  | { readonly kind: 'activate'; readonly authorityId: string }
  | { readonly kind: 'prune'; readonly authorityId: string }

export interface Rotation {
  readonly actions: readonly RotationAction[]
  /** When something is due, if nothing changes meanwhile (ms since the epoch): now, where there are actions. */
  readonly lookAt: number
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

const lifeOf = (slot: RotatingSlot): number => slot.notAfter - slot.notBefore

export const prepareInstant = (slot: RotatingSlot): number =>
  slot.notAfter - Math.min(lifeOf(slot) / 2, 30 * DAY)

const activateInstant = (slot: RotatingSlot): number =>
  slot.notAfter - Math.min(lifeOf(slot) / 6, 7 * DAY)

/** From here on a successor signs at once: half of the time SVIDs under the active slot can still count on is gone. */
const emergencyInstant = (slot: RotatingSlot): number =>
  slot.notAfter - Math.min(lifeOf(slot) / 12, 3.5 * DAY)

export interface RotationLimits {
  /**
   * The latest notAfter a slot prepared now could have: where that is no gain over the active one (an operator's
   * certificate that ends soon), none is prepared.
   */
  readonly furthest: number
  /** How long, at least, one is in the bundle before it signs (ms), where readers of the bundle ask for it that seldom. */
  readonly publishMs?: number | undefined
  /** One that was not published never signs: others could not verify what it had signed. */
  readonly publishedFirst?: boolean
}

/** How long one is in the bundle before it signs: what pushes and bundle readers need, within what its life allows. */
export const publishDelay = (slot: RotatingSlot, leastMs = 0): number =>
  Math.max(Math.min(lifeOf(slot) / 12, 5 * MINUTE), leastMs)

/** An expired slot stays in the bundle for a while, so that a clock a little behind ours still finds it. */
const pruneInstant = (slot: RotatingSlot): number => slot.notAfter + Math.min(lifeOf(slot), DAY)

export const usable = (slot: RotatingSlot, now: number): boolean =>
  slot.notBefore <= now && now < slot.notAfter

/** When `successor` begins to sign in place of `active` (ms since the epoch); -Infinity: at once. */
export function activationInstant(
  active: RotatingSlot | undefined,
  successor: RotatingSlot,
  at: { readonly now: number } & Pick<RotationLimits, 'publishMs' | 'publishedFirst'>,
): number {
  if (active === undefined || at.now >= active.notAfter) return -Infinity
  const published = (successor.publishedAt ?? Infinity) + publishDelay(successor, at.publishMs)
  // The clock went back: others may have the right time, and know the active one alone.
  if (at.now < active.notBefore) return at.publishedFirst === true ? published : -Infinity
  const due = active.superseded === true ? -Infinity : activateInstant(active)
  return Math.min(Math.max(due, published), emergencyInstant(active))
}

/** It has signed, and does so no more. */
export const isRetired = (slot: RotatingSlot): boolean =>
  slot.status === 'old' || slot.status === 'tainted'

function prunable(slot: RotatingSlot, now: number): boolean {
  // Nothing was ever signed by a prepared slot, so one that is of no use just now is simply dropped.
  if (slot.status === 'prepared') return !usable(slot, now)
  return isRetired(slot) && now >= pruneInstant(slot)
}

/** What is due at `now`. */
export function rotate(
  slots: readonly RotatingSlot[],
  now: number,
  limits: RotationLimits,
): Rotation {
  const actions: RotationAction[] = []
  const instants: number[] = []
  for (const slot of slots) {
    if (prunable(slot, now)) actions.push({ kind: 'prune', authorityId: slot.authorityId })
    else if (isRetired(slot)) instants.push(pruneInstant(slot))
  }

  const active = slots.find((slot) => slot.status === 'active')
  const successor = successorOf(slots, now)
  if (successor !== undefined && successor.publishedAt === undefined && limits.publishedFirst) {
    if (active !== undefined) instants.push(active.notAfter)
  } else if (successor !== undefined) {
    const at = activationInstant(active, successor, { ...limits, now })
    if (at <= now) actions.push({ kind: 'activate', authorityId: successor.authorityId })
    else instants.push(at)
  } else if (active === undefined || !usable(active, now)) {
    actions.push({ kind: 'prepare' })
  } else if (active.superseded === true) {
    actions.push({ kind: 'prepare' })
  } else if (limits.furthest <= active.notAfter) {
    instants.push(active.notAfter)
  } else if (prepareInstant(active) <= now) {
    actions.push({ kind: 'prepare' })
  } else {
    instants.push(prepareInstant(active))
  }
  // The clock goes on between a look and the next question: what has become due in between must not be waited past.
  return { actions, lookAt: actions.length > 0 ? now : Math.min(...instants, Infinity) }
}

/** The prepared slot that would sign next: of those valid now the one that ends last. */
export function successorOf<Slot extends RotatingSlot>(
  slots: readonly Slot[],
  now: number,
): Slot | undefined {
  return slots
    .filter((slot) => slot.status === 'prepared' && usable(slot, now))
    .reduce<Slot | undefined>(
      (best, slot) => (best === undefined || slot.notAfter > best.notAfter ? slot : best),
      undefined,
    )
}

/** `slots` once `authorityId` signs: the one before it is old. */
export function activated<Slot extends RotatingSlot>(
  slots: readonly Slot[],
  authorityId: string,
): readonly Slot[] {
  return slots.map((slot): Slot => {
    if (slot.authorityId === authorityId) return { ...slot, status: 'active' }
    return slot.status === 'active' ? { ...slot, status: 'old' } : slot
  })
}
