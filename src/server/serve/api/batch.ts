import { SpindleError, codeOf } from '../../../runtime/errors.ts'
import { nextTurn } from '../../../runtime/slices.ts'
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

/**
 * Items of one commit. Others' changes, calls and the rounds of agents come in between, and what is read of a commit at once by
 * who follows the store stays small.
 */
const ITEMS_A_LOT = 250

/**
 * Asks for the results of a batch lot by lot, each lot a commit of its own. Where one cannot be stored, those before it are, which
 * is said: its items are `failed`, and so are the ones after it, which are not tried.
 * @throws what the first lot throws, for nothing was stored then
 */
export async function inLots<Item, Result>(
  items: readonly Item[],
  {
    ask,
    failed,
  }: {
    readonly ask: (lot: readonly Item[]) => Promise<readonly Result[]>
    readonly failed: (item: Item, why: unknown) => Result
  },
): Promise<Result[]> {
  const results: Result[] = []
  for (let at = 0; at < items.length; at += ITEMS_A_LOT) {
    const lot = items.slice(at, at + ITEMS_A_LOT)
    try {
      results.push(...(await ask(lot)))
    } catch (thrown) {
      if (at === 0) throw thrown
      const left = items.slice(at + lot.length)
      const untried = new SpindleError(
        codeOf(thrown),
        'not tried: one before it could not be stored',
      )
      return [
        ...results,
        ...lot.map((item) => failed(item, thrown)),
        ...left.map((item) => failed(item, untried)),
      ]
    }
    await nextTurn()
  }
  return results
}
