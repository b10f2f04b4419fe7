import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Source, SourceState } from '../../../../src/agent/match/source.ts'
import { openSource } from '../../../../src/agent/match/source.ts'
import type { FileReading } from '../../../../src/os/watch.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import type { ManualClock } from '../../../fakes/clock.ts'

interface Setting {
  readonly clock: ManualClock
  readonly reloads: SourceState[]
  readonly calls: string[]
  /** The file has changed. */
  read(reading: FileReading): void
  open(): Source<number>
}

/** A source of a number in a file. */
function setUp(first: FileReading): Setting {
  const clock = createManualClock()
  const reloads: SourceState[] = []
  const calls: string[] = []
  let read: (reading: FileReading) => void = () => assert.fail('nothing watches')
  return {
    clock,
    reloads,
    calls,
    read: (reading) => read(reading),
    open: () =>
      openSource({
        name: 'numbers',
        file: '/etc/number',
        clock,
        watch(_, changed) {
          read = changed
          return {
            current: first,
            check: () => void calls.push('check'),
            close: () => void calls.push('close'),
          }
        },
        parse(text) {
          if (!/^\d+$/.test(text)) throw new SpindleError('config_invalid', `${text}: no number`)
          return Number(text)
        },
        onReload: (state) => void reloads.push(state),
      }),
  }
}

test('openSource() takes the file as it is, and each good reading after it', async () => {
  const setting = setUp({ text: '1' })
  const source = setting.open()
  const opened = { name: 'numbers', file: '/etc/number', loadedAt: setting.clock.now() }
  assert.deepEqual(source.state, { ...opened, fault: undefined })
  assert.deepEqual(setting.reloads, [], 'the first reading is no reload')
  const told: number[] = []
  source.content.subscribe((value) => told.push(value))
  await setting.clock.advance(5_000)
  setting.read({ text: '2' })
  assert.deepEqual([source.content.current, told], [2, [2]])
  assert.equal(source.state.loadedAt, setting.clock.now())
  assert.deepEqual(setting.reloads, [source.state])
})

test('a bad reading keeps the last good one and its time, says why, and is mended by a good one', async () => {
  const setting = setUp({ text: '1' })
  const source = setting.open()
  const { loadedAt } = source.state
  await setting.clock.advance(5_000)
  for (const [reading, fault] of [
    [{ text: 'x' }, 'x: no number'],
    [{ fault: 'permission denied' }, '/etc/number: permission denied'],
  ] as const) {
    setting.read(reading)
    assert.equal(source.content.current, 1)
    assert.deepEqual([source.state.fault, source.state.loadedAt], [fault, loadedAt])
    assert.equal(setting.reloads.at(-1)?.fault, fault)
  }
  setting.read({ text: '1' })
  assert.deepEqual([source.state.fault, source.state.loadedAt], [undefined, setting.clock.now()])
  assert.equal(setting.reloads.length, 3)
})

test('openSource() refuses a first reading that cannot be used, and watches no more', () => {
  for (const [first, message] of [
    [{ text: 'x' }, 'x: no number'],
    [{ fault: 'not found' }, '/etc/number: not found'],
  ] as const) {
    const setting = setUp(first)
    assert.throws(() => setting.open(), { code: 'config_invalid', message })
    assert.deepEqual(setting.calls, ['close'])
  }
})

test('a source looks at its file when told to, and closes its watch', () => {
  const setting = setUp({ text: '1' })
  const source = setting.open()
  source.check()
  source.close()
  assert.deepEqual(setting.calls, ['check', 'close'])
})

test('what goes wrong behind a good reading is not called a fault of the file', () => {
  const setting = setUp({ text: '1' })
  const source = setting.open()
  source.content.subscribe(() => {
    throw new TypeError('a fault in Spindle')
  })
  assert.throws(() => setting.read({ text: '2' }), TypeError)
  assert.equal(source.content.current, 2)
  assert.equal(source.state.fault, undefined)
})
