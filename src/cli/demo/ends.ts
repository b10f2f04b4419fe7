/** What must be ended, however the demo ends. */
export interface Ends {
  /** `end` runs at `run`, or at once where that has been. */
  add(end: () => Promise<void>): void
  /** Ends everything, side by side; resolves once all of it has, whatever failed. */
  run(): Promise<void>
}

export function createEnds(): Ends {
  const waiting: (() => Promise<void>)[] = []
  const running: Promise<void>[] = []
  let ran = false
  return {
    add(end) {
      if (ran) running.push(end())
      else waiting.push(end)
    },
    async run() {
      ran = true
      running.push(...waiting.splice(0).map((end) => end()))
      await Promise.allSettled(running)
    },
  }
}
