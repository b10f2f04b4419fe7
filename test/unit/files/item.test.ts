import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createItem } from '../../../src/files/item.ts'
import type { Item } from '../../../src/files/item.ts'
import { createManualClock } from '../../fakes/clock.ts'
import type { ManualClock } from '../../fakes/clock.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import { createLines, fault } from './setting.ts'

interface Setting {
  readonly item: Item
  readonly clock: ManualClock
  readonly lines: string[]
  readonly changes: () => number
}

function setting(): Setting {
  const clock = createManualClock()
  const { log, lines } = createLines(clock)
  let changes = 0
  const changed = (): void => void (changes += 1)
  const item = createItem('x509[0]', { clock, random: createSeededRandom('item'), log, changed })
  return { item, clock, lines, changes: () => changes }
}

const content = (write: () => boolean, expiresAt?: number) => ({
  facts: {},
  write,
  ...(expiresAt !== undefined && { expiresAt }),
})

test('an item says that it changed only when it did', () => {
  const { item, lines, changes } = setting()
  assert.deepEqual(item.state.current, { written: false, fault: undefined })
  item.offer(content(() => true))
  assert.deepEqual(item.state.current, { written: true, fault: undefined })
  item.offer(content(() => false))
  assert.equal(changes(), 1)
  assert.deepEqual(lines, ['info files written'])
})

test('what cannot be written is tried again, more and more seldom, until it can or something newer comes', async () => {
  const { item, clock, lines, changes } = setting()
  let attempts = 0
  const full = (): boolean => {
    attempts += 1
    throw fault('file_unwritable', 'ENOSPC')
  }
  item.offer(content(full))
  assert.equal(item.state.current.fault?.code, 'file_unwritable')
  await clock.advance(1_000)
  assert.equal(attempts, 2)
  await clock.advance(600_000)
  assert(attempts > 8 && attempts < 30, `${attempts}`)
  assert.equal(lines.length, 1, 'the same fault is said once')
  item.offer(content(() => true))
  const before = attempts
  await clock.advance(600_000)
  assert.equal(attempts, before)
  assert.equal(changes(), 1)
  assert.deepEqual(item.state.current, { written: true, fault: undefined })
})

test('a fault leaves the item as it is, is said once, and is over with the next content', () => {
  const { item, lines } = setting()
  item.offer(content(() => true))
  for (let time = 0; time < 3; time++) item.fail(fault('no_identity'))
  item.fail(fault('unreachable'))
  item.fail(fault('agent_failed'), true)
  assert.equal(item.state.current.written, true)
  assert.equal(item.state.current.fault?.code, 'agent_failed')
  item.offer(content(() => false))
  assert.equal(item.state.current.fault, undefined)
  assert.deepEqual(lines, [
    'info files written',
    'error no identity is given; its files stay as they are',
    'warn the agent has no answer; the files stay as they are',
    'info all is well again',
  ])
})

test('what has expired in the files is said once, by the wall clock', async () => {
  const { item, clock, lines } = setting()
  item.offer(content(() => true, clock.now() + 3_600_000))
  await clock.advance(1_800_000)
  assert.equal(lines.length, 1)
  clock.jump(1_800_000)
  await clock.advance(120_000)
  assert.deepEqual(lines.slice(1), [
    'error what is in the files has expired, and nothing newer has come',
  ])
  await clock.advance(3_600_000)
  assert.equal(lines.length, 2)
})

test('check() writes the newest content again; a closed item does nothing more', async () => {
  const { item, clock } = setting()
  let writes = 0
  item.check()
  item.offer(
    content(() => {
      writes += 1
      return false
    }, clock.now() + 1_000),
  )
  item.check()
  assert.equal(writes, 2)
  item.close()
  assert.equal(clock.pending, 0)
})
