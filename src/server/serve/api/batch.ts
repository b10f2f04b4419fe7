import type { ItemStatus } from './status.ts'
import { itemFault } from './status.ts'

/** An item of a batch that is refused, whatever becomes of the others. */
export class Refused {
  readonly status: ItemStatus

  constructor(status: ItemStatus) {
    this.status = status
  }
}

/** What `read` makes of an item; where it throws a SpindleError the item is refused: `what` failed, and why. */
export async function orRefused<T>(what: string, read: () => T | Promise<T>): Promise<T | Refused> {
  try {
    return await read()
  } catch (thrown) {
    return new Refused(itemFault(what, thrown))
  }
}

/** Hands those that are not refused to `change` at once; @returns what became of each, in the order of all */
export async function settled<Item, Outcome>(
  items: readonly (Item | Refused)[],
  change: (items: readonly Item[]) => Promise<readonly Outcome[]>,
): Promise<readonly (Outcome | Refused)[]> {
  const asked = items.filter((item): item is Item => !(item instanceof Refused))
  const outcomes = asked.length === 0 ? [] : await change(asked)
  let next = 0
  return items.map((item) => (item instanceof Refused ? item : outcomes[next++]!))
}
