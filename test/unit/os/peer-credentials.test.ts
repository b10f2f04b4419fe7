import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openLibc } from '../../../src/os/libc.ts'
import type { Libc } from '../../../src/os/libc.ts'
import { createPeerReader } from '../../../src/os/peer-credentials.ts'
import type { PeerCredentials, PeerReading } from '../../../src/os/peer-credentials.ts'
import { selfTest } from '../../../src/os/peer-self-test.ts'
import { readStartTime, readStatus } from '../../../src/os/process/process.ts'
import { temporaryFolder } from '../../fakes/folder.ts'
import { writeProcess } from '../../fakes/process-files.ts'

const SO_PEERCRED = 17
const SO_PEERPIDFD = 77
const { EINVAL, ESRCH, ENOPROTOOPT, EMFILE, ENFILE, EPERM, EACCES, EBADF } = constants.errno
const libc = openLibc()

/** The accepted end of a connection this process made to itself. */
async function acceptedSocket(t: TestContext): Promise<Socket> {
  const path = join(temporaryFolder(t), 'socket')
  const server = createServer().listen(path)
  const client = connect(path)
  t.after(() => {
    client.destroy()
    server.close()
  })
  const [socket] = (await once(server, 'connection')) as [Socket]
  t.after(() => socket.destroy())
  return socket
}

/** The real library, with the answers of some options replaced. */
function withOptions(answers: Record<number, (out: Buffer) => number>, more?: Partial<Libc>): Libc {
  return {
    ...libc,
    ...more,
    getsockopt: (fd, option, out) => answers[option]?.(out) ?? libc.getsockopt(fd, option, out),
  }
}

function peerIn(reading: PeerReading): PeerCredentials {
  assert('peer' in reading, JSON.stringify(reading))
  return reading.peer
}

test('read names the process, uid and gid that connected, and holds its pidfd', async (t) => {
  const reader = createPeerReader({ libc, pidfd: 'required' })
  const reading = reader.read(await acceptedSocket(t))
  const peer = peerIn(reading)
  assert.deepEqual(
    { pid: peer.pid, uid: peer.uid, gid: peer.gid, startTime: peer.startTime },
    {
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
      startTime: readStartTime(process.pid, '/proc'),
    },
  )
  assert.equal('handle' in reading && reading.handle, 'peer-pidfd')
  assert.equal(reader.alive(peer), true)
  assert(peer.pidfd !== undefined)
  reader.release(peer)
  assert.throws(() => fstatSync(peer.pidfd ?? -1), { code: 'EBADF' })
})

test('read refuses whatever the kernel answers instead of a pidfd, each errno for what it means', async (t) => {
  const socket = await acceptedSocket(t)
  const faults = [
    [EINVAL, 'peer_ended', 'peer_ended'],
    [ESRCH, 'peer_ended', 'peer_ended'],
    [EMFILE, 'descriptors_exhausted', 'descriptors_exhausted'],
    [ENFILE, 'descriptors_exhausted', 'descriptors_exhausted'],
    [EPERM, 'credentials_unreadable', 'credentials_unreadable'],
    [EBADF, 'credentials_unreadable', 'credentials_unreadable'],
    [ENOPROTOOPT, 'pidfd_unsupported', undefined],
  ] as const
  for (const [errno, required, preferred] of faults) {
    const failing = withOptions({ [SO_PEERPIDFD]: () => -errno })
    for (const [pidfd, expected] of [
      ['required', required],
      ['preferred', preferred],
    ] as const) {
      const reader = createPeerReader({ libc: failing, pidfd })
      const reading = reader.read(socket)
      assert.equal('fault' in reading ? reading.fault : undefined, expected, `${errno} ${pidfd}`)
      if ('peer' in reading) reader.release(reading.peer)
    }
  }
})

test('read with `preferred` opens a pidfd itself, on ENOPROTOOPT alone, and says that it did', async (t) => {
  const old = withOptions({ [SO_PEERPIDFD]: () => -ENOPROTOOPT })
  const reader = createPeerReader({ libc: old, pidfd: 'preferred' })
  const reading = reader.read(await acceptedSocket(t))
  assert.equal('handle' in reading && reading.handle, 'opened-pidfd')
  const peer = peerIn(reading)
  assert.equal(reader.alive(peer), true)
  reader.release(peer)
})

test('alive without any pidfd is false once the pid has another start time', async (t) => {
  const procRoot = temporaryFolder(t)
  const blocked = withOptions(
    { [SO_PEERPIDFD]: () => -ENOPROTOOPT },
    { pidfdOpen: () => -constants.errno.ENOSYS },
  )
  writeProcess(procRoot, { pid: process.pid, startTime: '77' })
  const reader = createPeerReader({ libc: blocked, pidfd: 'preferred', procRoot })
  const reading = reader.read(await acceptedSocket(t))
  assert.equal('handle' in reading && reading.handle, 'start-time')
  const peer = peerIn(reading)
  assert.equal(reader.alive(peer), true)
  assert.deepEqual(reader.ended([peer]), [])
  writeProcess(procRoot, { pid: process.pid, startTime: '78' })
  assert.equal(reader.alive(peer), false)
  assert.deepEqual(reader.ended([peer]), [peer])
})

test('read refuses a caller outside the pid namespace, whose pid reads 0, and leaks no pidfd', async (t) => {
  const pidfds: number[] = []
  const outside = withOptions({
    [SO_PEERCRED]: (out) => out.fill(0).length,
    [SO_PEERPIDFD]: (out) => {
      pidfds.push(libc.pidfdOpen(process.pid))
      out.writeInt32LE(pidfds[0] ?? -1)
      return out.length
    },
  })
  const reading = createPeerReader({ libc: outside, pidfd: 'required' }).read(
    await acceptedSocket(t),
  )
  assert.equal('fault' in reading && reading.fault, 'pid_not_visible')
  assert.equal(pidfds.length, 1)
  assert.throws(() => fstatSync(pidfds[0] ?? -1), { code: 'EBADF' })
})

test('read takes a caller outside the pid namespace where it is to, by its pidfd, or by its connection alone', async (t) => {
  const socket = await acceptedSocket(t)
  const outside = (pidfd: (out: Buffer) => number) =>
    createPeerReader({
      libc: withOptions({
        [SO_PEERCRED](out) {
          out.writeUInt32LE(1_001, 4)
          return out.writeInt32LE(0, 0) && out.length
        },
        [SO_PEERPIDFD]: pidfd,
      }),
      pidfd: 'preferred',
      outsiders: true,
    })
  const child = spawn('sleep', ['60'])
  t.after(() => child.kill('SIGKILL'))
  const watched = outside((out) => {
    out.writeInt32LE(libc.pidfdOpen(child.pid!))
    return out.length
  })
  const held = peerIn(watched.read(socket))
  assert.deepEqual([held.pid, held.uid], [0, 1_001])
  assert.deepEqual([watched.alive(held), watched.ended([held])], [true, []])
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.deepEqual([watched.alive(held), watched.ended([held])], [false, [held]])
  watched.release(held)

  const older = outside(() => -ENOPROTOOPT)
  const peer = peerIn(older.read(socket))
  assert.deepEqual([peer.pid, peer.pidfd], [0, undefined])
  assert.deepEqual([older.alive(peer), older.ended([peer])], [true, []])
})

test('read refuses a pidfd that stands for another process than SO_PEERCRED names', async (t) => {
  const other = withOptions({
    [SO_PEERPIDFD]: (out) => {
      out.writeInt32LE(libc.pidfdOpen(process.ppid))
      return out.length
    },
  })
  const reading = createPeerReader({ libc: other, pidfd: 'required' }).read(await acceptedSocket(t))
  assert.equal('fault' in reading && reading.fault, 'peer_ended')
})

test('read refuses what is not a socket', (t) => {
  const fd = openSync('/dev/null', 'r')
  t.after(() => closeSync(fd))
  const reader = createPeerReader({ libc, pidfd: 'required' })
  for (const handle of [{ fd }, { fd: -1 }, { fd: 'x' }, {}, null]) {
    const reading = reader.read({ _handle: handle } as unknown as Socket)
    assert.equal('fault' in reading && reading.fault, 'credentials_unreadable')
  }
})

test('alive is false for a zombie, and ended finds it among the living', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  const peers = [process.pid, child.pid ?? 0].map((pid) => ({
    pid,
    uid: 0,
    gid: 0,
    pidfd: libc.pidfdOpen(pid),
    startTime: '',
  }))
  t.after(() => peers.forEach(({ pidfd }) => closeSync(pidfd)))
  const reader = createPeerReader({ libc, pidfd: 'required' })
  assert.deepEqual(reader.ended(peers), [])
  const [own, dying] = peers as [PeerCredentials, PeerCredentials]
  child.kill('SIGKILL')
  // The event loop does not turn here, so nothing reaps the child: signal 0 would still find it.
  for (const until = Date.now() + 5_000; reader.alive(dying) && Date.now() < until;);
  assert.equal(reader.alive(dying), false)
  process.kill(dying.pid, 0)
  assert.deepEqual(reader.ended(peers), [dying])
  assert.equal(reader.alive(own), true)
})

test('alive is false when the pidfd cannot be polled', () => {
  const reader = createPeerReader({ libc: { ...libc, poll: () => -EINVAL }, pidfd: 'required' })
  const peer = { pid: 1, uid: 0, gid: 0, pidfd: 0, startTime: '1' }
  assert.equal(reader.alive(peer), false)
  assert.deepEqual(reader.ended([peer]), [peer])
  const closed = createPeerReader({ libc, pidfd: 'required' })
  assert.equal(closed.alive({ ...peer, pidfd: 1_000_000 }), false)
})

test('selfTest finds this process at the other end of its own socket', async () => {
  assert.equal(await selfTest(createPeerReader({ libc, pidfd: 'required' })), 'peer-pidfd')
})

test('selfTest refuses to run where the kernel names another process or has no pidfd', async () => {
  const liar = withOptions({
    [SO_PEERCRED](out) {
      out.writeInt32LE(process.ppid, 0)
      return out.length
    },
    [SO_PEERPIDFD](out) {
      out.writeInt32LE(libc.pidfdOpen(process.ppid))
      return out.length
    },
  })
  for (const bad of [
    liar,
    withOptions({ [SO_PEERPIDFD]: () => -ENOPROTOOPT }),
    withOptions({ [SO_PEERCRED]: () => -EACCES }),
  ]) {
    await assert.rejects(selfTest(createPeerReader({ libc: bad, pidfd: 'required' })), {
      code: 'peer_credentials_unsupported',
    })
  }
})

test('effectiveIds are those of /proc, by the pidfd alone', async (t) => {
  const reader = createPeerReader({ libc, pidfd: 'required' })
  const peer = peerIn(reader.read(await acceptedSocket(t)))
  const ids = reader.effectiveIds(peer)
  // Linux before 6.13 cannot say.
  if (ids !== undefined) {
    const { euid, egid } = readStatus(process.pid, '/proc')
    assert.deepEqual({ euid: ids.euid, egid: ids.egid }, { euid, egid })
  }
  assert.equal(reader.effectiveIds({ ...peer, pidfd: undefined } as never), undefined)
  const older = createPeerReader({
    libc: withOptions({}, { pidfdInfo: () => -constants.errno.ENOTTY }),
    pidfd: 'required',
  })
  assert.equal(older.effectiveIds(peer), undefined)
  const again = older.read(await acceptedSocket(t))
  assert.equal(peerIn(again).pid, process.pid, 'fdinfo says it where the kernel has no such call')
  older.release(peerIn(again))
  reader.release(peer)
})

test('a signal in the middle of a look at peers ends none of them', async (t) => {
  let interrupted = 0
  const reader = createPeerReader({
    libc: withOptions(
      {},
      {
        poll: (pollfds, count) =>
          interrupted++ % 3 < 2 ? -constants.errno.EINTR : libc.poll(pollfds, count),
      },
    ),
    pidfd: 'required',
  })
  const peer = peerIn(reader.read(await acceptedSocket(t)))
  assert.equal(reader.alive(peer), true)
  assert.deepEqual(reader.ended([peer, peer]), [])
  assert.equal(interrupted, 9)
  reader.release(peer)
})
