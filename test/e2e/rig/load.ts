/** Requests without a pause, and what became of each. */
import type { Answer } from './rig.ts'
import { get } from './rig.ts'

export interface Load {
  readonly answered: number
  /** Each with the time since the load began. */
  readonly failures: readonly string[]
  /** Resolves once `count` more requests have been answered: what happens meanwhile happens under load. */
  more(count: number): Promise<void>
  /** Lets the requests under way end. */
  stop(): Promise<void>
}

export interface LoadSettings {
  /** Requests at a time, each on a connection of its own. */
  readonly loops: number
  /** Between the end of one and the next, where the load is not the point; 0 if not said. */
  readonly pauseMs?: number
}

/** `target`: a port, or how to ask. */
export function startLoad(
  target: number | (() => Promise<Answer>),
  { loops, pauseMs = 0 }: LoadSettings,
): Load {
  const ask = typeof target === 'number' ? () => get(target) : target
  const failures: string[] = []
  const began = performance.now()
  const failed = (what: string): void =>
    void failures.push(`after ${((performance.now() - began) / 1_000).toFixed(2)} s: ${what}`)
  let answered = 0
  let running = true
  let waiting: { readonly at: number; readonly go: () => void }[] = []
  const count = (): void => {
    answered += 1
    const due = waiting.filter(({ at }) => at <= answered)
    waiting = waiting.filter(({ at }) => at > answered)
    for (const { go } of due) go()
  }
  const loop = async (): Promise<void> => {
    while (running) {
      try {
        const { status, body } = await ask()
        if (status !== 200) failed(`${status} ${body.slice(0, 200)}`)
      } catch (thrown) {
        failed(String(thrown))
      }
      count()
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  const all = Promise.all(Array.from({ length: loops }, loop))
  return {
    get answered() {
      return answered
    },
    failures,
    more(wanted) {
      return new Promise((go) => waiting.push({ at: answered + wanted, go }))
    },
    async stop() {
      running = false
      await all
    },
  }
}
