import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Peer } from '../../../../src/agent/accept/connection.ts'
import { createQuarantine } from '../../../../src/agent/serve/quarantine.ts'

const peer = (pid: number, startTime = '1000'): Peer => ({ pid, uid: 1, gid: 1, startTime })

test('Quarantine keeps what a process rejected for that process, and not for the next one of its pid', () => {
  const quarantine = createQuarantine()
  quarantine.add(peer(7), ['one'])
  quarantine.add({ ...peer(7), uid: 2 }, ['two'])
  assert.deepEqual([...quarantine.of(peer(7))], ['one', 'two'])
  assert.equal(quarantine.of(peer(7, '2000')).size, 0)
  assert.equal(quarantine.of(peer(8)).size, 0)
})

test('Quarantine.of() is live once there is something in it', () => {
  const quarantine = createQuarantine()
  quarantine.add(peer(7), ['one'])
  const rejected = quarantine.of(peer(7))
  quarantine.add(peer(7), ['two'])
  assert(rejected.has('two'))
})

test('Quarantine remembers no process for nothing', () => {
  const quarantine = createQuarantine()
  quarantine.add(peer(7), [])
  assert.equal(quarantine.size, 0)
})

test('Quarantine is bounded: the oldest version of a process and the longest unheard process go first', () => {
  const quarantine = createQuarantine()
  for (let version = 0; version <= 256; version++) quarantine.add(peer(7), [`v${version}`])
  const rejected = quarantine.of(peer(7))
  assert.deepEqual([rejected.size, rejected.has('v0'), rejected.has('v256')], [256, false, true])
  for (let pid = 1_000; pid < 1_000 + 4_095; pid++) quarantine.add(peer(pid), ['x'])
  assert.equal(quarantine.size, 4_096)
  quarantine.add(peer(7), ['again'])
  quarantine.add(peer(9), ['x'])
  assert.equal(quarantine.size, 4_096)
  assert.equal(quarantine.of(peer(1_000)).size, 0)
  assert.notEqual(quarantine.of(peer(7)).size, 0)
})
