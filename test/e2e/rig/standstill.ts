/** A machine that stands still (its host took the processors away) is no fault of what is tested. */
import type { TestContext } from 'node:test'

const LOOK_EVERY_MS = 50
/** So much more than a busy machine makes one wait. */
const STANDSTILL_MS = 2_000

/** Runs `attempt`, and once more where it failed while the whole test was kept from running for a time that certificates do not outlive. */
export async function unlessTheMachineStoodStill(
  t: TestContext,
  attempt: () => Promise<void>,
): Promise<void> {
  let longestMs = 0
  let seen = performance.now()
  const watch = setInterval(() => {
    const now = performance.now()
    longestMs = Math.max(longestMs, now - seen - LOOK_EVERY_MS)
    seen = now
  }, LOOK_EVERY_MS)
  try {
    return await attempt()
  } catch (thrown) {
    t.diagnostic(`failed; the longest standstill was ${longestMs.toFixed()} ms`)
    if (longestMs < STANDSTILL_MS) throw thrown
  } finally {
    clearInterval(watch)
  }
  return attempt()
}
