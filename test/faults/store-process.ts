// `store-process.ts ENGINE RUN`: changes a store until it is killed, and says on stdout, before it goes on, what was acknowledged:
// `+ID` there, `?ID` about to be deleted, `-ID` gone, `=REVISION` the last one known, `!CODE` a refusal.
import { writeSync } from 'node:fs'
import { systemClock } from '../../src/runtime/clock.ts'
import { codeOf } from '../../src/runtime/errors.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { openStore } from '../../src/store/open.ts'
import type { StoreOptions } from '../../src/store/open.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { entry, entryId } from '../fakes/store-values.ts'

const [, , engineText = '', run = ''] = process.argv
const engine = JSON.parse(engineText) as StoreOptions['engine']
const log = createLog({
  level: 'error',
  format: 'text',
  stream: process.stderr,
  clock: systemClock,
})
const store = await openStore({ clock: systemClock, random: systemRandom, log, engine })
const say = (line: string): void => void writeSync(1, line + '\n')

let count = 0
const change = async (): Promise<void> => {
  const id = entryId(`${run}-${count++}`)
  await store.entries.create([entry(`/${id}`, { id })])
  say(`+${id}`)
  if (count % 3 === 0) {
    say(`?${id}`)
    await store.entries.delete([id])
    say(`-${id}`)
  }
  say(`=${store.changes.revisions.current}`)
}

for (;;) {
  const outcomes = await Promise.allSettled(Array.from({ length: 1 + (count % 7) }, change))
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') say(`!${codeOf(outcome.reason)}`)
  // A refusal comes at once, and would come again and again.
  if (outcomes.some(({ status }) => status === 'rejected'))
    await new Promise((resolve) => setTimeout(resolve, 20))
}
