// S04 of docs/faults.md.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openLibc } from '../../../src/os/libc.ts'
import { listenUnix } from '../../../src/os/listen.ts'
import type { ListenOptions, UnixListener } from '../../../src/os/listen.ts'
import { temporaryFolder, writeIn } from '../../fakes/folder.ts'

const libc = openLibc()
const PUBLIC = { mode: 0o777 }
const refused = (message: RegExp): object => ({ code: 'socket_unusable', message })

async function listen(
  t: TestContext,
  path: string,
  options: ListenOptions = PUBLIC,
): Promise<UnixListener> {
  const listener = await listenUnix(libc, path, options)
  t.after(() => listener.close())
  return listener
}

/** What the server at `path` says first. */
async function greeting(path: string): Promise<string> {
  const socket = connect(path)
  try {
    const [data] = (await once(socket, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer]
    return data.toString()
  } finally {
    socket.destroy()
  }
}

/** A socket file whose process has ended. */
async function staleSocket(path: string): Promise<void> {
  const code = 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])'
  const [status] = (await once(spawn('python3', ['-c', code, path]), 'exit')) as [number]
  assert.equal(status, 0)
}

test('listenUnix serves at the path with the mode asked for, whatever the umask', async (t) => {
  const path = join(temporaryFolder(t), 'made/agent.sock')
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  const listener = await listen(t, path)
  listener.accept((socket) => socket.end('here'))
  assert.equal(lstatSync(path).mode & 0o777, 0o777)
  assert.equal(process.umask(), 0o077)
  assert.equal(await greeting(path), 'here')
  const admin = join(temporaryFolder(t), 'admin/admin.sock')
  await listen(t, admin, { mode: 0o600, folderMode: 0o700 })
  assert.equal(lstatSync(admin).mode & 0o777, 0o600)
})

test('a connection made before accept waits in the kernel and is served', async (t) => {
  const path = join(temporaryFolder(t), 'agent.sock')
  const listener = await listen(t, path)
  const client = connect(path)
  await once(client, 'connect')
  listener.accept((socket) => socket.end('late'))
  const [data] = (await once(client, 'data')) as [Buffer]
  assert.equal(data.toString(), 'late')
})

test('listenUnix never takes a live socket, one whose process does not accept included', async (t) => {
  const path = join(temporaryFolder(t), 'agent.sock')
  const first = await listen(t, path)
  await assert.rejects(listenUnix(libc, path, PUBLIC), refused(/another process/))
  first.accept((socket) => {
    // The probe that was waiting has gone already.
    socket.on('error', () => undefined).end('first')
  })
  await assert.rejects(listenUnix(libc, path, PUBLIC), refused(/another process/))
  assert.equal(await greeting(path), 'first')
  assert.deepEqual(readdirSync(join(path, '..')), ['agent.sock'])
})

test('listenUnix replaces a stale socket, and of eight agents that start at once one serves', async (t) => {
  const path = join(temporaryFolder(t), 'agent.sock')
  await staleSocket(path)
  const starts = await Promise.allSettled(
    Array.from({ length: 8 }, () => listenUnix(libc, path, PUBLIC)),
  )
  const listeners = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
  t.after(() => listeners.forEach((listener) => listener.close()))
  assert.equal(listeners.length, 1)
  listeners[0]?.accept((socket) => socket.end('winner'))
  assert.equal(await greeting(path), 'winner')
  assert.deepEqual(readdirSync(join(path, '..')), ['agent.sock'])
})

test('listenUnix does not believe a lock on a file that the holder before removed', async (t) => {
  const folder = temporaryFolder(t)
  const lockFiles = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.lock'))
  let locks = 0
  const listener = await listenUnix(
    {
      ...libc,
      lock(fd) {
        locks += 1
        if (locks === 1) for (const name of lockFiles()) unlinkSync(join(folder, name))
        return libc.lock(fd)
      },
      bindUnix(path) {
        assert.equal(lockFiles().length, 1)
        return libc.bindUnix(path)
      },
    },
    join(folder, 'agent.sock'),
    PUBLIC,
  )
  listener.close()
  assert.equal(locks, 2)
  assert.deepEqual(lockFiles(), [])
})

test('a socket is at no time open to more callers than it shall be, and in the end to all of them', async (t) => {
  const path = join(temporaryFolder(t), 'admin.sock')
  const modes: number[] = []
  const listener = await listenUnix(
    {
      ...libc,
      bindUnix(name) {
        const fd = libc.bindUnix(name)
        modes.push(lstatSync(name).mode & 0o777)
        // As a default ACL of the folder would have it.
        chmodSync(name, 0o200)
        return fd
      },
    },
    path,
    { mode: 0o660 },
  )
  t.after(() => listener.close())
  assert.deepEqual(modes, [0o660])
  assert.equal(lstatSync(path).mode & 0o777, 0o660)
})

test('listenUnix never touches what is no socket', async (t) => {
  const folder = temporaryFolder(t)
  const file = writeIn(folder, 'file', 'precious')
  await assert.rejects(listenUnix(libc, file, PUBLIC), refused(/is no socket/))
  assert.equal(readFileSync(file, 'utf8'), 'precious')
  const link = join(folder, 'link')
  symlinkSync(file, link)
  await assert.rejects(listenUnix(libc, link, PUBLIC), refused(/is a symbolic link/))
  assert(lstatSync(link).isSymbolicLink())
})

test('listenUnix refuses paths the kernel would cut off, relative ones and unsafe folders', async (t) => {
  const folder = temporaryFolder(t)
  const longest = join(folder, 'x'.repeat(107 - folder.length - 1))
  await listen(t, longest)
  assert(existsSync(longest))
  await assert.rejects(listenUnix(libc, `${longest}x`, PUBLIC), refused(/has 108 bytes/))
  // Bytes count, not characters.
  const wide = join(folder, 'é'.repeat(54 - folder.length / 2))
  await assert.rejects(listenUnix(libc, wide, PUBLIC), refused(/bytes/))
  for (const path of ['agent.sock', './agent.sock', `${folder}/../x.sock`, `${folder}//x`]) {
    await assert.rejects(listenUnix(libc, path, PUBLIC), refused(/absolute path/))
  }
  mkdirSync(join(folder, 'open'))
  chmodSync(join(folder, 'open'), 0o777)
  await assert.rejects(listenUnix(libc, join(folder, 'open/x'), PUBLIC), refused(/chmod go-w/))
})

test('close leaves the path, or removes it if asked and it is still ours', async (t) => {
  const path = join(temporaryFolder(t), 'agent.sock')
  const first = await listen(t, path)
  first.accept(() => undefined)
  first.close()
  assert(existsSync(path))
  const second = await listen(t, path)
  second.close({ remove: true })
  assert(!existsSync(path))
  const third = await listen(t, path)
  third.accept(() => undefined)
  renameSync(path, `${path}.old`)
  const fourth = await listen(t, path)
  fourth.accept((socket) => socket.end('fourth'))
  third.close({ remove: true })
  assert.equal(await greeting(path), 'fourth')
  unlinkSync(`${path}.old`)
})

test('listenUnix() lets every sidecar of a host wait while the agent is busy, once it accepts too', async (t) => {
  const path = join(temporaryFolder(t), 'busy.sock')
  const listener = await listen(t, path)
  listener.accept((socket) => socket.destroy())
  // This process accepts nothing while it waits for the child: whoever connects is in the backlog.
  const code = `
import socket, sys
waiting = []
for _ in range(900):
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    one.connect(sys.argv[1])
    waiting.append(one)
print(len(waiting))`
  const { stdout, stderr } = spawnSync('python3', ['-c', code, path], { encoding: 'utf8' })
  assert.equal(stdout.trim(), '900', stderr)
})
