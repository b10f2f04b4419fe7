/** More entries than a message may hold, asked for some at a time: what was answered is known, whatever comes after it. */

/** So many that a message stays well below gRPC's 4 MiB. */
export const BATCH = 200

export interface Answered<R> {
  readonly results: readonly R[]
  /** What ended it before all was asked for. */
  readonly stopped?: { readonly thrown: unknown; readonly report: string }
}

/** `tell` gets what was asked for and its results as soon as they are there, `at` being the place of the first of them. */
export async function inBatches<A, R>(
  asked: readonly A[],
  ask: (some: A[]) => Promise<readonly R[]>,
  tell: (some: readonly A[], results: readonly R[], at: number) => void = () => undefined,
): Promise<Answered<R>> {
  const results: R[] = []
  for (let at = 0; at < asked.length; at += BATCH) {
    const some = asked.slice(at, at + BATCH)
    let answer: readonly R[]
    try {
      answer = await ask(some)
    } catch (thrown) {
      return { results, stopped: { thrown, report: report(at, some.length, asked.length) } }
    }
    results.push(...answer)
    tell(some, answer, at)
  }
  return { results }
}

/** Nothing to say where nothing was done but one batch, of which the error says enough. */
function report(answered: number, unknown: number, all: number): string {
  if (all <= BATCH) return ''
  const left = all - answered - unknown
  const rest = left === 0 ? '' : `; ${left} were not asked for`
  return `${answered} of ${all} were answered; of the ${unknown} after them it is not known whether they are stored${rest}\n`
}
