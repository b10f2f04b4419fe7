import { messageOf } from '../../../runtime/errors.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { LinkMemory } from './link.ts'

/** Has the newest memory kept: one at a time, and of several that wait only the last. */
export interface MemoryKeeper {
  changed(): void
  /** Resolves when what there was to keep is kept. */
  close(): Promise<void>
}

export function createMemoryKeeper(options: {
  /** undefined: there is nothing worth keeping yet. */
  readonly memory: () => LinkMemory | undefined
  readonly remember: (memory: LinkMemory) => Promise<void>
  readonly log: Log
}): MemoryKeeper {
  let pending = false
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    while (pending) {
      pending = false
      const memory = options.memory()
      if (memory === undefined) continue
      try {
        await options.remember(memory)
      } catch (thrown) {
        options.log.warn({ error: messageOf(thrown) }, 'what a restart needs could not be kept')
      }
    }
    running = undefined
  }
  return {
    changed() {
      pending = true
      // What changes in one moment is kept together.
      running ??= Promise.resolve().then(run)
    },
    async close() {
      await running
    },
  }
}
