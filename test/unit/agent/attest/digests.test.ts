import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDigests } from '../../../../src/agent/attest/digests.ts'
import type { OpenExecutable } from '../../../../src/os/process/process.ts'
import { createManualClock, settle } from '../../../fakes/clock.ts'

/** Hashes that end when they are told to. */
function heldHashes() {
  const started: number[] = []
  const ends = new Map<number, (digest: string | undefined) => void>()
  return {
    started,
    hash: (fd: number): Promise<string | undefined> => {
      started.push(fd)
      return new Promise((resolve) => ends.set(fd, resolve))
    },
    end: async (fd: number, digest: string | undefined): Promise<void> => {
      ends.get(fd)?.(digest)
      await settle()
    },
  }
}

const clock = createManualClock()
const file = (fd: number, identity = `file ${fd}`): OpenExecutable => ({
  fd,
  path: '/bin/x',
  dev: 1n,
  ino: 1n,
  size: 1n,
  links: 1n,
  changedAt: clock.now() - 60_000,
  identity,
})
const wanted = (): boolean => true

test('one file is hashed once, whoever asks for it and however often', async () => {
  const hashes = heldHashes()
  const digests = createDigests({ clock, hash: hashes.hash })
  const both = Promise.all([
    digests.sha256(file(1, 'same'), 1001, wanted),
    digests.sha256(file(2, 'same'), 1002, wanted),
  ])
  await settle()
  await hashes.end(1, 'digest 1')
  assert.deepEqual(await both, ['digest 1', 'digest 1'])
  assert.equal(await digests.sha256(file(3, 'same'), 1003, wanted), 'digest 1')
  assert.deepEqual(hashes.started, [1])
})

test('a digest of a file changed a moment ago, or while it was read, is not remembered', async () => {
  const hashes = heldHashes()
  const digests = createDigests({ clock, hash: hashes.hash })
  const fresh = { ...file(1), changedAt: clock.now() - 1_999 }
  for (const round of [1, 2]) {
    const digest = digests.sha256(fresh, 1001, wanted)
    await settle()
    await hashes.end(1, `round ${round}`)
    assert.equal(await digest, `round ${round}`)
  }
  for (const _round of [1, 2]) {
    const changing = digests.sha256(file(2), 1001, wanted)
    await settle()
    await hashes.end(2, undefined)
    assert.equal(await changing, undefined)
  }
  assert.deepEqual(hashes.started, [1, 1, 2, 2])
})

test('uids take turns: one with many programs does not keep another waiting', async () => {
  const hashes = heldHashes()
  const digests = createDigests({ clock, hash: hashes.hash, parallel: 1 })
  for (const fd of [1, 2, 3, 4]) void digests.sha256(file(fd), 1001, wanted)
  void digests.sha256(file(9), 1002, wanted)
  await settle()
  for (const fd of [1, 2, 9, 3, 4]) await hashes.end(fd, 'digest')
  assert.deepEqual(hashes.started, [1, 2, 9, 3, 4])
})

test('a file that another uid has far back in its queue is read in the turn of who waits for it, and once', async () => {
  const hashes = heldHashes()
  const digests = createDigests({ clock, hash: hashes.hash, parallel: 1 })
  const others = [1, 2, 3].map((fd) => digests.sha256(file(fd), 1001, wanted))
  const back = digests.sha256(file(4, 'envoy'), 1001, wanted)
  const mine = digests.sha256(file(5, 'envoy'), 1002, wanted)
  await settle()
  await hashes.end(1, 'one')
  await hashes.end(2, 'two')
  await hashes.end(5, 'digest of envoy')
  assert.equal(await mine, 'digest of envoy')
  await hashes.end(3, 'three')
  assert.equal(await back, 'digest of envoy')
  assert.deepEqual(await Promise.all(others), ['one', 'two', 'three'])
  assert.deepEqual(hashes.started, [1, 2, 5, 3])
})

test('a caller that left takes the digest from nobody who asked for the same file', async () => {
  const hashes = heldHashes()
  const digests = createDigests({ clock, hash: hashes.hash, parallel: 1 })
  let here = true
  void digests.sha256(file(1), 1001, wanted)
  const left = digests.sha256(file(2, 'same'), 1002, () => here)
  const stays = digests.sha256(file(3, 'same'), 1002, wanted)
  await settle()
  here = false
  await hashes.end(1, 'digest 1')
  await hashes.end(3, 'digest of both')
  assert.equal(await left, undefined)
  assert.equal(await stays, 'digest of both')
})

test('a caller that left while it waited is not worked for, and a failure does not stop the next', async () => {
  const hashes = heldHashes()
  const digests = createDigests({ clock, hash: hashes.hash, parallel: 1 })
  let here = true
  void digests.sha256(file(1), 1001, wanted)
  const left = digests.sha256(file(2), 1001, () => here)
  await settle()
  here = false
  await hashes.end(1, 'digest 1')
  assert.equal(await left, undefined)
  assert.deepEqual(hashes.started, [1])
  const failing = createDigests({
    clock,
    hash: () => Promise.reject(new Error('EIO')),
    parallel: 1,
  })
  await assert.rejects(failing.sha256(file(1), 1001, wanted), /EIO/)
  await assert.rejects(failing.sha256(file(1), 1001, wanted), /EIO/)
})

test('of the files remembered the one not asked for longest is forgotten first', async () => {
  const started: number[] = []
  const hash = (fd: number): Promise<string> => Promise.resolve(`digest ${started.push(fd)}`)
  const digests = createDigests({ clock, hash, remembered: 2 })
  for (const fd of [1, 2, 1, 3, 1, 2]) await digests.sha256(file(fd), 1001, wanted)
  assert.deepEqual(started, [1, 2, 3, 2])
})
