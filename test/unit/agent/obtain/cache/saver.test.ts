import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSaver } from '../../../../../src/agent/obtain/cache/saver.ts'
import { createManualClock, settle } from '../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'

function setting() {
  const clock = createManualClock()
  const written: string[] = []
  const faults: (string | undefined)[] = []
  const made = { clock, written, faults, text: 'a', failure: undefined as Error | undefined }
  let hold: Promise<void> | undefined
  const saver = createSaver({
    file: {
      async write(text) {
        await hold
        if (made.failure !== undefined) throw made.failure
        written.push(text)
      },
    },
    text: () => made.text,
    clock,
    random: createSeededRandom(),
    onSaved: (fault) => void faults.push(fault),
  })
  return {
    ...made,
    made,
    saver,
    holdWrites(until: Promise<void>) {
      hold = until
    },
  }
}

test('createSaver() writes changes that come together once, and the newest', async () => {
  const { clock, written, made, saver } = setting()
  for (const text of ['b', 'c', 'd']) {
    made.text = text
    saver.changed()
  }
  assert.deepEqual(written, [])
  await clock.advance(1_000)
  assert.deepEqual(written, ['d'])
  await clock.advance(60_000)
  assert.deepEqual(written, ['d'], 'nothing is written where nothing has changed')
})

test('flush() resolves once what there is now is written, also while something older is being written', async () => {
  const { written, made, saver, holdWrites } = setting()
  let go = (): void => undefined
  holdWrites(new Promise((resolve) => (go = resolve)))
  saver.changed()
  const first = saver.flush()
  await settle()
  made.text = 'b'
  saver.changed()
  let isDone = false
  const both = Promise.all([saver.flush(), saver.flush()]).then(() => {
    isDone = true
    return undefined
  })
  await settle()
  assert.equal(isDone, false)
  go()
  await Promise.all([first, both])
  assert.deepEqual(written, ['a', 'b'])
})

test('createSaver() tells of a write that failed, and tries it again until it succeeds', async () => {
  const { clock, written, faults, made, saver } = setting()
  made.failure = new Error('no space left')
  saver.changed()
  await clock.advance(10_000)
  assert.deepEqual([written, faults[0]], [[], 'no space left'])
  made.failure = undefined
  await clock.advance(120_000)
  assert.deepEqual([written, faults.at(-1)], [['a'], undefined])
})
