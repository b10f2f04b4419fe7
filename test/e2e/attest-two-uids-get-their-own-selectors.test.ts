// WT-8 of docs/conformance.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  PYTHON,
  STAY,
  connectionIn,
  createAttestHost,
  programOf,
  startCaller,
} from './attest-host.ts'

test('two callers of different uids on one socket each get their own selectors', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  const found = new Map<number, string[]>()
  for (const caller of [
    { uid: 61_001, gid: 61_011, groups: [61_021, 61_022] },
    { uid: 61_002, gid: 61_012 },
  ]) {
    const { pid } = startCaller(t, caller, [PYTHON, '-c', STAY, host.socket])
    const connection = connectionIn(await host.next())
    assert.equal(connection.peer.pid, pid)
    const attestation = await host.attestor.attest(connection, new Set(['unix:path']))
    assert.deepEqual([...attestation.unknownKinds], [])
    found.set(caller.uid, [...attestation.selectors].sort())
  }
  const path = `unix:path:${programOf(PYTHON)}`
  assert.deepEqual(found.get(61_001), [
    'unix:gid:61011',
    path,
    'unix:supplementary_gid:61021',
    'unix:supplementary_gid:61022',
    'unix:uid:61001',
  ])
  assert.deepEqual(found.get(61_002), ['unix:gid:61012', path, 'unix:uid:61002'])
})
