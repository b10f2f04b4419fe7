import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { probeSocket } from '../../../../src/os/host/probe-socket.ts'
import { whyNoListening } from '../../../../src/os/host/port.ts'
import { openLibc } from '../../../../src/os/libc.ts'
import { listenUnix } from '../../../../src/os/listen.ts'
import { createPeerReader } from '../../../../src/os/peer-credentials.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'

const libc = openLibc()

test('probeSocket tells who listens from what is left over, and from nothing', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'agent.sock')
  assert.deepEqual(await probeSocket(path), { state: 'absent' })
  const listener = await listenUnix(libc, path, { mode: 0o777 })
  const reader = createPeerReader({ libc, pidfd: 'preferred' })
  const live = await probeSocket(path, (socket) => {
    const reading = reader.read(socket)
    if ('fault' in reading) return reading.fault
    reader.release(reading.peer)
    return reading.peer.pid
  })
  assert.deepEqual(live, { state: 'live', seen: process.pid }, 'and whose process that is')
  listener.close()
  assert.deepEqual(await probeSocket(path), { state: 'refused' }, 'its path stays behind')
  assert.deepEqual(await probeSocket(writeIn(folder, 'file', '')), { state: 'refused' })
  assert.deepEqual(await probeSocket(join(folder, 'file/below')), {
    state: 'unknown',
    why: 'ENOTDIR',
  })
})

test('probeSocket says why it cannot tell', async (t) => {
  if (process.geteuid?.() === 0) {
    // Root may enter everywhere: a path beyond what an address holds cannot be tried by anyone.
    assert.equal((await probeSocket(`/${'x'.repeat(200)}`)).state, 'unknown')
    return
  }
  const folder = temporaryFolder(t)
  chmodSync(folder, 0)
  t.after(() => chmodSync(folder, 0o700))
  assert.deepEqual(await probeSocket(join(folder, 'x')), { state: 'unknown', why: 'EACCES' })
})

test('whyNoListening says why a port is taken, and lets go of one that is free', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  assert.equal(await whyNoListening('127.0.0.1', port), 'EADDRINUSE')
  server.close()
  await once(server, 'close')
  assert.equal(await whyNoListening('127.0.0.1', port), undefined)
  assert.equal(await whyNoListening('127.0.0.1', port), undefined)
  assert.equal(await whyNoListening('203.0.113.1', 0), 'EADDRNOTAVAIL')
})
