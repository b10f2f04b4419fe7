/**
 * Who holds which of the connections there may be. Where there is no room, the oldest stranger makes it, one that has not shown
 * who it is: nobody is shut out by those who hold connections and say nothing.
 */

/** A connection. */
export interface Guest {
  /** Of its address: whoever has an IPv6 address has 2^64 of them (addressKey). */
  readonly key: string
}

export interface Places<G extends Guest> {
  /** A new one is a stranger, and has a place where `reason` is undefined, or where another `leaves` for it. */
  take(guest: G): Taken<G>
  /** It has shown who it is: nobody takes its place any more. */
  know(guest: G): void
  /** It is closed. */
  leave(guest: G): void
}

export interface Taken<G> {
  /** Why there is no room. */
  readonly reason?: 'connection_limit' | 'address_limit'
  /** Its connection is to be closed. */
  readonly leaves?: G
  /** Of its address, and of all. */
  readonly counts: readonly [number, number]
}

interface Held<G> {
  count: number
  /** The oldest first. */
  readonly strangers: Set<G>
}

export function createPlaces<G extends Guest>(limits: {
  readonly connections: number
  readonly connectionsPerAddress: number
}): Places<G> {
  const byAddress = new Map<string, Held<G>>()
  const all: Held<G> = { count: 0, strangers: new Set() }

  const heldBy = (key: string): Held<G> => byAddress.get(key) ?? { count: 0, strangers: new Set() }
  const know = (guest: G): void => {
    for (const held of [heldBy(guest.key), all]) held.strangers.delete(guest)
  }
  const enter = (guest: G): void => {
    const own = heldBy(guest.key)
    byAddress.set(guest.key, own)
    for (const held of [own, all]) {
      held.count += 1
      held.strangers.add(guest)
    }
  }
  return {
    know,
    take(guest) {
      const own = heldBy(guest.key)
      const counts = [own.count, all.count] as const
      const full = own.count >= limits.connectionsPerAddress ? own : all
      const reason = full === own ? 'address_limit' : 'connection_limit'
      if (full === all && all.count < limits.connections) {
        enter(guest)
        return { counts }
      }
      // It is counted until it is closed, but makes room only once.
      const [leaves] = full.strangers
      if (leaves === undefined) return { reason, counts }
      know(leaves)
      enter(guest)
      return { reason, leaves, counts }
    },
    leave(guest) {
      know(guest)
      const own = heldBy(guest.key)
      for (const held of [own, all]) held.count -= 1
      if (own.count === 0) byAddress.delete(guest.key)
    },
  }
}
