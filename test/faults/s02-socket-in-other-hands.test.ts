/**
 * S02: the identity of a connection is that of the process that connected, for as long as it lives; whoever else holds
 * the socket speaks as it. Executing a program, and set-uid: test/e2e/attest-exec-is-attested-anew.test.ts; a child that
 * inherits: test/e2e/attest-fd-inherited-by-child.test.ts.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  connecting,
  connectionIn,
  createAttestHost,
  PYTHON,
  startCaller,
  within,
} from '../e2e/attest-host.ts'

const GIVER = 61_001
const TAKER = 61_002

/** Connects, and gives the connection to whoever comes to the socket of its second argument; ends when told to. */
const GIVING = connecting(`
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[2])
os.chmod(sys.argv[2], 0o777)
door.listen()
print('waiting', flush=True)
other, _ = door.accept()
socket.send_fds(other, [b'.'], [s.fileno()])
print('given', flush=True)
sys.stdin.readline()
os._exit(0)
`)

/** Takes the connection, and says what it comes to read of it. */
const TAKING = `
import socket, sys
other = socket.socket(socket.AF_UNIX)
other.connect(sys.argv[1])
_, [fd], _, _ = socket.recv_fds(other, 1, 1)
s = socket.socket(fileno=fd)
s.send(b'taken')
print('taken', flush=True)
print('end' if s.recv(1) == b'' else 'data', flush=True)
`

test('S02: a connection that was passed to another uid is the giver’s, and ends with the giver', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  chmodSync(host.folder, 0o777)
  const door = join(host.folder, 'door.sock')
  const giver = startCaller(t, { uid: GIVER }, [PYTHON, '-c', GIVING, host.socket, door])
  const connection = connectionIn(await host.next())
  assert.equal(await giver.line(), 'connected')
  assert.equal(await giver.line(), 'waiting')
  const taker = startCaller(t, { uid: TAKER }, [PYTHON, '-c', TAKING, door])
  assert.equal(await taker.line(), 'taken')
  assert.equal(await giver.line(), 'given')

  const { selectors, process } = await host.attestor.attest(connection, new Set())
  assert(selectors.has(`unix:uid:${GIVER}` as never))
  assert(!selectors.has(`unix:uid:${TAKER}` as never))
  assert.equal(process.pid, giver.pid)

  giver.write('end\n')
  await within(20_000, once(giver.process, 'exit'))
  assert.equal(connection.alive(), false)
  await assert.rejects(host.attestor.attest(connection, new Set()), { code: 'peer_gone' })
  // The taker still holds it, and is hung up on.
  assert.equal(await taker.line(), 'end')
})

/** Becomes a daemon the old way: two forks, and a session of its own between them; connects last. */
const DAEMON = `
import os, socket, sys
if os.fork() > 0: os._exit(0)
os.setsid()
if os.fork() > 0: os._exit(0)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
print(os.getpid(), flush=True)
# Its stdin ends with the first of its parents, whenever Node notices that.
s.recv(1)
`

test('S02: a daemon that forked twice and then connected is itself, though its parents have ended', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  const parent = startCaller(t, { uid: GIVER }, [PYTHON, '-c', DAEMON, host.socket])
  const connection = connectionIn(await host.next())
  const pid = Number(await parent.line())
  assert.notEqual(pid, parent.pid)
  assert.equal(connection.peer.pid, pid)
  const { selectors } = await host.attestor.attest(connection, new Set())
  assert(selectors.has(`unix:uid:${GIVER}` as never))
  assert.equal(connection.alive(), true)
  globalThis.process.kill(pid)
  await within(20_000, new Promise<void>((resolve) => connection.onClose(resolve)))
})

/** Connects, then becomes a daemon: the process that connected ends. */
const CONNECTED_DAEMON = connecting(`
if os.fork() > 0: os._exit(0)
os.setsid()
if os.fork() > 0: os._exit(0)
print('end' if s.recv(1) == b'' else 'data', flush=True)
`)

test('S02: a daemon that connected and then forked twice is hung up on', async (t) => {
  const host = await createAttestHost(t)
  if (host === undefined) return
  host.accept()
  const caller = startCaller(t, { uid: GIVER }, [PYTHON, '-c', CONNECTED_DAEMON, host.socket])
  assert.equal(await caller.line(), 'connected')
  await host.next()
  assert.equal(await caller.line(), 'end')
})
