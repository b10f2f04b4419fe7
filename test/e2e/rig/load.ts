/** Requests without a pause, and what became of each. */
import { get } from './rig.ts'

export interface Load {
  readonly answered: number
  readonly failures: readonly string[]
  /** Resolves once `count` more requests have been answered: what happens meanwhile happens under load. */
  more(count: number): Promise<void>
  /** Lets the requests under way end. */
  stop(): Promise<void>
}

/** `loops` requests at a time, each on a connection of its own. */
export function startLoad(port: number, { loops }: { readonly loops: number }): Load {
  const failures: string[] = []
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
        const { status, body } = await get(port)
        if (status !== 200) failures.push(`${status} ${body.slice(0, 200)}`)
      } catch (thrown) {
        failures.push(String(thrown))
      }
      count()
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
