import type { NackClass } from '../../xds/nack.ts'
import type { Resource } from '../../xds/resource.ts'

/** What a client was told under a name, and when it answered; instants in ms since the epoch. */
export interface ToldName {
  readonly kind: Resource['kind'] | undefined
  readonly sentAt: number | undefined
  readonly notAfter: number | undefined
  /** The end of what was acknowledged last: what the client works with. */
  readonly heldUntil: number | undefined
  /** When what was sent last was acknowledged or rejected. */
  readonly answeredAt: number | undefined
  /** Of the last answer, where that was a rejection. */
  readonly rejection: NackClass | undefined
  /** Delta: when it was told that there is no such name; undefined where it was sent something since. */
  readonly removedAt: number | undefined
}

const NOTHING: ToldName = Object.freeze({
  kind: undefined,
  sentAt: undefined,
  notAfter: undefined,
  heldUntil: undefined,
  answeredAt: undefined,
  rejection: undefined,
  removedAt: undefined,
})

/** The names of one stream, for people: what is due is decided by the step functions, without this. */
export class Told {
  readonly #names = new Map<string, ToldName>()

  of(name: string): ToldName {
    return this.#names.get(name) ?? NOTHING
  }

  sent({ name, kind, notAfter }: Resource, at: number): void {
    const { rejection, heldUntil } = this.of(name)
    this.#names.set(name, { ...NOTHING, kind, notAfter, sentAt: at, rejection, heldUntil })
  }

  /** `follows`: the names of the stream; others are the client's choice too, and forgotten. */
  removed(
    names: readonly string[],
    at: number,
    follows: { readonly size: number; has(name: string): boolean },
  ): void {
    for (const name of names) this.#names.set(name, { ...this.of(name), removedAt: at })
    if (this.#names.size <= follows.size) return
    for (const name of this.#names.keys()) if (!follows.has(name)) this.#names.delete(name)
  }

  answered(name: string, at: number, rejection?: NackClass): void {
    const told = this.#names.get(name)
    if (told === undefined) return
    const heldUntil = rejection === undefined ? told.notAfter : told.heldUntil
    this.#names.set(name, { ...told, answeredAt: at, rejection, heldUntil })
  }
}
