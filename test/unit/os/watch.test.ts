import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { systemClock } from '../../../src/runtime/clock.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { watchFile } from '../../../src/os/watch.ts'
import type { FileReading, FileWatch, WatchOptions } from '../../../src/os/watch.ts'
import { createManualClock } from '../../fakes/clock.ts'
import { temporaryFolder, writeIn } from '../../fakes/folder.ts'

interface Watched {
  readonly watch: FileWatch
  readonly readings: FileReading[]
  /** The reading after those seen so far. */
  readonly next: () => Promise<FileReading>
}

function watchIn(
  t: TestContext,
  path: string,
  options: { clock: Clock } & Partial<WatchOptions>,
): Watched {
  const readings: FileReading[] = []
  let seen = 0
  let arrived = (): void => undefined
  const watch = watchFile(path, {
    maxBytes: 1_000,
    settleMs: 5,
    ...options,
    changed(reading) {
      readings.push(reading)
      arrived()
    },
  })
  t.after(() => watch.close())
  return {
    watch,
    readings,
    async next() {
      while (readings.length <= seen) {
        await new Promise<void>((resolve, reject) => {
          // Keeps the process alive too: neither the watch nor its timers do.
          const deadline = setTimeout(() => reject(new Error('nothing was read')), 20_000)
          arrived = () => {
            clearTimeout(deadline)
            resolve()
          }
        })
      }
      seen += 1
      return readings[seen - 1] as FileReading
    },
  }
}

/** Real events, but no poll: what arrives, arrived by inotify. */
const byEvents = { clock: systemClock, pollMs: 600_000 }

test('a watched file rewritten in place, renamed over, and rewritten again is read each time', async (t) => {
  const folder = temporaryFolder(t)
  const path = writeIn(folder, 'entries.yaml', 'one')
  const { watch, next } = watchIn(t, path, byEvents)
  assert.deepEqual(watch.current, { text: 'one' })
  writeFileSync(path, 'two')
  assert.deepEqual(await next(), { text: 'two' })
  renameSync(writeIn(folder, 'new', 'three'), path)
  assert.deepEqual(await next(), { text: 'three' })
  writeFileSync(path, 'four')
  assert.deepEqual(await next(), { text: 'four' })
  assert.deepEqual(watch.current, { text: 'four' })
})

test('a symbolic link swapped as Kubernetes does for a ConfigMap is followed, twice', async (t) => {
  const folder = temporaryFolder(t)
  const swap = (version: string): void => {
    writeIn(folder, `..${version}/entries.yaml`, version)
    symlinkSync(`..${version}`, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  swap('v1')
  symlinkSync('..data/entries.yaml', join(folder, 'entries.yaml'))
  const { next } = watchIn(t, join(folder, 'entries.yaml'), byEvents)
  swap('v2')
  assert.deepEqual(await next(), { text: 'v2' })
  rmSync(join(folder, '..v1'), { recursive: true })
  swap('v3')
  assert.deepEqual(await next(), { text: 'v3' })
})

test('a link into another folder is followed: its goal may be rewritten there', async (t) => {
  const folder = temporaryFolder(t)
  const goal = writeIn(folder, 'there/file', 'one')
  mkdirSync(join(folder, 'here'))
  symlinkSync(goal, join(folder, 'here/link'))
  const { next } = watchIn(t, join(folder, 'here/link'), byEvents)
  writeFileSync(goal, 'two')
  assert.deepEqual(await next(), { text: 'two' })
})

test('a file missing for a moment is no fault; one that stays away is, once, until it returns', async (t) => {
  const clock = createManualClock()
  const path = writeIn(temporaryFolder(t), 'entries.yaml', 'one')
  const { watch, readings } = watchIn(t, path, { clock })
  rmSync(path)
  watch.check()
  await clock.advance(900)
  watch.check()
  writeFileSync(path, 'one')
  watch.check()
  await clock.advance(2_000)
  assert.deepEqual(readings, [])
  rmSync(path)
  watch.check()
  await clock.advance(10_000)
  assert.equal(readings.length, 1)
  assert.match('fault' in watch.current ? watch.current.fault : '', /ENOENT.*entries\.yaml/)
  // The same text again: the fault is over, and that is news.
  writeFileSync(path, 'one')
  await clock.advance(2_000)
  assert.deepEqual(readings[1], { text: 'one' })
})

test('the poll finds a change no event told of, and equal content is no change', async (t) => {
  const clock = createManualClock()
  const path = writeIn(temporaryFolder(t), 'entries.yaml', 'one')
  // No event can arrive in time: its settling time never passes.
  const { readings } = watchIn(t, path, { clock, settleMs: 600_000 })
  await clock.advance(10_000)
  writeFileSync(path, 'one')
  await clock.advance(2_000)
  assert.deepEqual(readings, [])
  writeFileSync(path, 'two')
  await clock.advance(1_999)
  assert.deepEqual(readings, [])
  await clock.advance(1)
  assert.deepEqual(readings, [{ text: 'two' }])
  await clock.advance(10_000)
  assert.equal(readings.length, 1)
})

test('a folder that is removed and made again is watched again: its events are heard', async (t) => {
  const folder = temporaryFolder(t)
  const path = writeIn(folder, 'conf/entries.yaml', 'one')
  const { watch, next } = watchIn(t, path, { ...byEvents, graceMs: 0 })
  rmSync(join(folder, 'conf'), { recursive: true })
  watch.check()
  assert('fault' in (await next()))
  writeIn(folder, 'conf/entries.yaml', 'two')
  // The poll's look: nothing tells of a folder that is made.
  watch.check()
  assert.deepEqual(await next(), { text: 'two' })
  // The first may still arrive by a late event of the folder that was removed; the others cannot.
  for (const text of ['three', 'four', 'five']) {
    writeFileSync(path, text)
    assert.deepEqual(await next(), { text })
  }
})

test('what is too large or not UTF-8 is a fault that names the file', async (t) => {
  const folder = temporaryFolder(t)
  const large = watchIn(t, writeIn(folder, 'large', 'x'.repeat(1_001)), byEvents)
  assert.match('fault' in large.watch.current ? large.watch.current.fault : '', /large is larger/)
  const path = writeIn(folder, 'binary', '')
  writeFileSync(path, Buffer.from([0xff, 0xfe, 0x41]))
  const binary = watchIn(t, path, byEvents)
  assert.match('fault' in binary.watch.current ? binary.watch.current.fault : '', /not UTF-8/)
  writeFileSync(path, 'text')
  assert.deepEqual(await binary.next(), { text: 'text' })
})

test('nothing is read any more after close, and no timer is left', async (t) => {
  const clock = createManualClock()
  const path = writeIn(temporaryFolder(t), 'entries.yaml', 'one')
  const { watch, readings } = watchIn(t, path, { clock })
  watch.close()
  writeFileSync(path, 'two')
  watch.check()
  await clock.advance(10_000)
  assert.deepEqual(readings, [])
  assert.equal(clock.pending, 0)
})

test('a file that is being written is read once its writer pauses, and in any case before long', async (t) => {
  const path = writeIn(temporaryFolder(t), 'file', 'old')
  const { next, readings } = watchIn(t, path, { ...byEvents, settleMs: 50 })
  const writing = setInterval(() => writeFileSync(path, `part ${performance.now()}`), 5)
  t.after(() => clearInterval(writing))
  assert.match(JSON.stringify(await next()), /part/, 'a writer that never pauses')
  clearInterval(writing)
  for (const part of ['a', 'ab', 'abc']) writeFileSync(path, part)
  while (JSON.stringify(await next()) !== '{"text":"abc"}');
  assert(!JSON.stringify(readings).includes('"ab"'), 'its parts are not read')
})
