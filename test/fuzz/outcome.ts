/** What a function made of an input that anybody may have written: a value, or an error that says what is wrong. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { SpindleError } from '../../src/runtime/errors.ts'

/** The programme asks for 50 ms an input; the runtime may be collecting garbage meanwhile. */
export const MOST_MS = 1_000

/** Of this process, ms: an input costs what it costs, however long the machine stands still meanwhile. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

export interface Inputs {
  /** Runs `read` on one input; undefined where it was refused. `input` is shown when it goes wrong. */
  try<T>(input: Buffer | string, read: () => T): T | undefined
  /** `accepted`: at least this many were not refused, or the inputs are too wild to test anything. */
  report(t: TestContext, least: { readonly accepted: number; readonly refused: number }): void
}

export function createInputs(): Inputs {
  let accepted = 0
  let refused = 0
  let longestMs = 0
  return {
    try(input, read) {
      const started = cpuMs()
      try {
        const value = read()
        accepted += 1
        return value
      } catch (thrown) {
        const shown = typeof input === 'string' ? JSON.stringify(input) : input.toString('base64')
        if (!(thrown instanceof SpindleError))
          throw new Error(`not an error on purpose, on ${shown}`, { cause: thrown })
        assert.notEqual(thrown.code, 'internal', `${thrown.message}, on ${shown}`)
        refused += 1
        return undefined
      } finally {
        longestMs = Math.max(longestMs, cpuMs() - started)
      }
    },
    report(t, least) {
      t.diagnostic(
        `${accepted} accepted, ${refused} refused, at most ${longestMs.toFixed(1)} ms of CPU time`,
      )
      assert(longestMs < MOST_MS, `${longestMs} ms of CPU time`)
      assert(accepted >= least.accepted, `${accepted} accepted`)
      assert(refused >= least.refused, `${refused} refused`)
    },
  }
}
