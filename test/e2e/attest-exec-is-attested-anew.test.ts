// S02 of docs/faults.md.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  PYTHON,
  connecting,
  connectionIn,
  createAttestHost,
  programOf,
  startCaller,
} from './attest-host.ts'

/** Connects, and told to, becomes the program of its second argument with the socket still open. */
const EXECUTING = connecting(`
os.read(0, 1)
os.execv(sys.argv[2], [sys.argv[2]])
`)

test('a caller that executes another program is attested as that program', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  const caller = startCaller(t, { uid: 61_001 }, [PYTHON, '-c', EXECUTING, host.socket, '/bin/cat'])
  const connection = connectionIn(await host.next())
  const before = await host.attestor.attest(connection, new Set())
  assert(before.selectors.has(`unix:path:${programOf(PYTHON)}` as never))
  assert.equal(host.attestor.unchanged(connection, before), true)
  assert.equal(await caller.line(), 'connected')
  caller.write('!')
  caller.write('echoed by cat\n')
  assert.equal(await caller.line(), 'echoed by cat')
  assert.equal(connection.alive(), true)
  assert.equal(host.attestor.unchanged(connection, before), false)
  const after = await host.attestor.attest(connection, new Set())
  assert(after.selectors.has(`unix:path:${programOf('/bin/cat')}` as never))
  assert(!after.selectors.has(`unix:path:${programOf(PYTHON)}` as never))
  assert.equal(host.attestor.unchanged(connection, after), true)
})

test('a caller that became root by a set-uid program is refused', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  const setUid = join(host.folder, 'cat')
  copyFileSync('/bin/cat', setUid)
  chmodSync(setUid, 0o4755)
  const caller = startCaller(t, { uid: 61_001 }, [PYTHON, '-c', EXECUTING, host.socket, setUid])
  const connection = connectionIn(await host.next())
  const before = await host.attestor.attest(connection, new Set())
  assert.equal(await caller.line(), 'connected')
  caller.write('!')
  caller.write('echoed by cat\n')
  assert.equal(await caller.line(), 'echoed by cat')
  assert.equal(connection.alive(), true)
  assert.equal(host.attestor.unchanged(connection, before), false)
  await assert.rejects(host.attestor.attest(connection, new Set()), {
    code: 'peer_gone',
    message: /became uid 0; uid 61001 connected/,
  })
})
