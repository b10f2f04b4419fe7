import type { RotatingSlot } from './rotation.ts'

/** What slots hold (CA certificates, JWT keys), how it is made and how it is shown; rotation is the same for all. */
export interface SlotKind<Slot extends RotatingSlot, State> {
  /** What messages call it: `the authority`. */
  readonly name: string
  /** How long, at least, a slot is in the bundle before it signs (ms). */
  readonly publishMs?: number
  /** Why none can be made, or soon cannot; undefined: healthy. */
  fault(now: number): string | undefined
  /** The latest notAfter one made now could have. */
  furthest(now: number): number
  /** Makes one: status prepared, not published. @throws SpindleError `authority_unavailable`, `certificate_invalid` */
  make(): Promise<Slot>
  /** Whether a slot is still of use. */
  trusts(slot: Slot): boolean
  /** Whether a slot is what would be made now, but for its age. */
  current(slot: Slot): boolean
  /** Without its private key: nothing is signed with it again. */
  retired(slot: Slot): Slot
  stateOf(slots: readonly Slot[], now: number, fault: string | undefined): State
  same(one: State, other: State): boolean
  /** Reads its configuration again; on a fault keeps the last good one. @throws SpindleError `config_invalid` */
  reload(): Promise<void>
  /** Calls `run` when what it was configured from may have changed. */
  watch(run: () => void): () => void
}

/** Tells others of the slots, where others verify what they sign: a slot is published once it was stored and then announced. */
export interface Announcer<Slot extends RotatingSlot, State> {
  /** What was kept, as it stands with the others; those they do not know have no `publishedAt`. @throws SpindleError */
  reconciled(kept: readonly Slot[]): Promise<readonly Slot[]>
  /** Resolves once the others have `state`, durably. @throws where they could not be told. */
  announce(state: State, slots: readonly Slot[]): Promise<void>
}

export interface SlotStore<Slot> {
  /** The slots kept before, if any can be used. */
  load(): Promise<readonly Slot[]>
  /** @throws where they could not be kept. */
  save(slots: readonly Slot[]): Promise<void>
}
