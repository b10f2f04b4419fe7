// S02 of docs/faults.md.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import {
  PYTHON,
  connecting,
  connectionIn,
  createAttestHost,
  startCaller,
  within,
} from './attest-host.ts'

/** The process that connected forks and, told to, ends; its child keeps the socket. */
const FORKING = connecting(`
if os.fork() == 0:
    print('child has it', flush=True)
    s.recv(1)
    os._exit(0)
sys.stdin.readline()
os._exit(0)
`)

test('a child that inherited the socket is refused once the process that connected has ended', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  const parent = startCaller(t, { uid: 61_001 }, [PYTHON, '-c', FORKING, host.socket])
  const connection = connectionIn(await host.next())
  assert.equal(await parent.line(), 'connected')
  assert.equal(await parent.line(), 'child has it')
  const before = await host.attestor.attest(connection, new Set())
  assert(before.selectors.has('unix:uid:61001' as never))
  parent.write('end\n')
  await within(20_000, once(parent.process, 'exit'))
  assert.equal(connection.alive(), false)
  assert.equal(host.attestor.unchanged(connection, before), false)
  await assert.rejects(host.attestor.attest(connection, new Set()), { code: 'peer_gone' })
  // The child still holds the socket, so nothing but the sweep closes it.
  await within(20_000, new Promise<void>((resolve) => connection.onClose(resolve)))
})

test('a child that inherited the socket is refused at accept if its parent ended before', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  const parent = startCaller(t, { uid: 61_001 }, [PYTHON, '-c', FORKING, host.socket])
  assert.equal(await parent.line(), 'connected')
  assert.equal(await parent.line(), 'child has it')
  parent.write('end\n')
  await within(20_000, once(parent.process, 'exit'))
  host.accept()
  assert.equal(await host.next(), 'peer_ended')
})
