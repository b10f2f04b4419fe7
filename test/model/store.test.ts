import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { kinds } from '../contract/stores.ts'
import { FULL } from './full.ts'
import { step } from './store-history.ts'
import { Run, STEP_MS } from './store-run.ts'

const HISTORIES = FULL ? 60 : 10
const STEPS = 60

for (const kind of kinds) {
  test(`a store does what the model does, whatever the history: ${kind.name}`, async (t) => {
    const seen: Record<string, number> = {}
    const history = fc.noBias(fc.array(step, { minLength: STEPS, maxLength: STEPS, size: 'max' }))
    const seed = Number(process.env['SPINDLE_SEED'] ?? 20_301)
    let skipped = false
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const place = await kind.place(t)
        if (place === undefined) {
          skipped = true
          return
        }
        const run = new Run(place, await place.open(), seen)
        for (const one of steps) {
          await run.take(one)
          await place.clock.advance(STEP_MS)
        }
        await run.store.close()
      }),
      // A history is shortened where that is quick.
      {
        numRuns: HISTORIES,
        seed,
        endOnFailure: kind.name !== 'sqlite',
        interruptAfterTimeLimit: 120_000,
      },
    )
    if (skipped) return
    for (const what of [
      'created',
      'similar',
      'id_taken',
      'update updated',
      'update similar',
      'listed',
      'agents',
      'since',
      'anew',
    ])
      assert((seen[what] ?? 0) > 0, `no history met ${what}: ${JSON.stringify(seen)}`)
    t.diagnostic(JSON.stringify(seen))
  })
}
