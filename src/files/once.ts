import type { Clock } from '../runtime/clock.ts'
import { ERRORS, SpindleError } from '../runtime/errors.ts'
import type { Item } from './item.ts'
import type { KeptFiles } from './keep-files.ts'

/**
 * Resolves once every file is written. An agent that is not there yet and an identity that nobody has registered yet are
 * waited for; what waiting does not mend ends it at once.
 * @throws SpindleError naming each item that is not written, with the code of the worst of them; `not_ready` for no answer at all
 */
export async function writtenOnce(
  { items, ended }: Pick<KeptFiles, 'items' | 'ended'>,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<void> {
  const stops: (() => void)[] = []
  const settled = new Promise<boolean>((resolve) => {
    const look = (): void => {
      if (items.every(isWritten)) resolve(true)
      else if (items.some(isBeyondWaiting)) resolve(false)
    }
    stops.push(...items.map(({ state }) => state.subscribe(look)))
    const timer = clock.after(timeoutMs, () => resolve(false))
    stops.push(() => timer.cancel())
    look()
  })
  try {
    if (await Promise.race([settled, ended.then(() => false)])) return
    throw missing(items.filter((item) => !isWritten(item)))
  } finally {
    for (const stop of stops) stop()
  }
}

const isWritten = ({ state }: Item): boolean => state.current.written

/** Denied and not ready may come right. */
function isBeyondWaiting({ state }: Item): boolean {
  const { fault, written } = state.current
  return !written && fault !== undefined && ERRORS[fault.code].exit < 3
}

function missing(items: readonly Item[]): SpindleError {
  const faults = items.map(({ name, state }) => {
    const { fault } = state.current
    return { name, code: fault?.code ?? ('not_ready' as const), text: fault?.message }
  })
  const [worst] = faults.toSorted((a, b) => rank(a.code) - rank(b.code))
  const lines = faults.map(({ name, text }) => `${name}: ${text ?? 'no answer yet'}`)
  return new SpindleError(
    worst?.code ?? 'not_ready',
    ['not every file is written', ...lines].join('\n  '),
  )
}

/** Failures first, then denied, then not ready. */
function rank(code: SpindleError['code']): number {
  return [0, 0, 0, 2, 1][ERRORS[code].exit] ?? 0
}
