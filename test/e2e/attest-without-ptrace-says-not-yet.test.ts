import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attestation } from '../../src/agent/attest/attestor.ts'
import {
  PYTHON,
  STAY,
  connectionIn,
  createAttestHost,
  programOf,
  startCaller,
} from './attest-host.ts'

test('an agent that may not look at executables knows no path and no hash, instead of saying there is none', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  startCaller(t, { uid: 61_001 }, [PYTHON, '-c', STAY, host.socket])
  const connection = connectionIn(await host.next())
  const wanted = new Set(['unix:path', 'unix:sha256'])
  let blind: Attestation
  // Another effective uid takes the capabilities away, CAP_SYS_PTRACE among them.
  process.seteuid?.(65_534)
  try {
    blind = await host.attestor.attest(connection, wanted)
    assert.equal(host.attestor.unchanged(connection, blind), true)
  } finally {
    process.seteuid?.(0)
  }
  assert.deepEqual([...blind.unknownKinds], ['unix:path', 'unix:sha256'])
  assert.deepEqual([...blind.selectors].sort(), ['unix:gid:61001', 'unix:uid:61001'])
  assert.match(blind.notes.join('\n'), /CAP_SYS_PTRACE/)
  const seeing = await host.attestor.attest(connection, wanted)
  assert.deepEqual([...seeing.unknownKinds], [])
  assert(seeing.selectors.has(`unix:path:${programOf(PYTHON)}` as never))
})
