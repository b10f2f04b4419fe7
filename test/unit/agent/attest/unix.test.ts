import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Attestation } from '../../../../src/agent/attest/attestor.ts'
import { createDigests } from '../../../../src/agent/attest/digests.ts'
import { createUnixAttestor } from '../../../../src/agent/attest/unix.ts'
import type { UnixAttestorOptions } from '../../../../src/agent/attest/unix.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { createFakeConnection } from '../../../fakes/connection.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'
import { writeProcess } from '../../../fakes/process-files.ts'
import type { FakeProcess } from '../../../fakes/process-files.ts'

const clock = createManualClock()
const ALL = { path: true, sha256: true, sha256MaxBytes: 1_000 }
const NONE: ReadonlySet<string> = new Set()
const WITH_HASH = new Set(['unix:path', 'unix:sha256'])

interface Host {
  readonly procRoot: string
  readonly root: string
  readonly exe: string
  /** Process 7, changed. */
  readonly write: (process?: Partial<FakeProcess>) => void
  readonly attestor: (more?: Partial<UnixAttestorOptions>) => ReturnType<typeof createUnixAttestor>
}

/** A host of one process, 7, of uid 1001 and gid 1002, that runs `exe`. */
function createHost(t: TestContext): Host {
  const root = temporaryFolder(t)
  const procRoot = join(root, 'proc')
  const exe = writeIn(root, 'bin/envoy', 'program')
  writeIn(root, 'etc/passwd', 'root:x:0:0::/:\nweb:x:1001:1002::/:\n')
  writeIn(root, 'etc/group', 'root:x:0:\nwebs:x:1002:\nlogs:x:4:web\n')
  const write: Host['write'] = (more) => writeProcess(procRoot, { pid: 7, exe, ...more })
  write()
  return {
    procRoot,
    root,
    exe,
    write,
    attestor: (more) =>
      createUnixAttestor({ clock, config: ALL, procRoot, hostRoot: root, ...more }),
  }
}

const sorted = ({ selectors }: Attestation): string[] => [...selectors].sort()

// The host's root is a folder here, so the path the kernel shows is not one on "the host"; tests of `unix:path` use '/'.
test('attest gives SPIRE’s selectors of the effective ids, groups and their names', async (t) => {
  const host = createHost(t)
  host.write({ uids: [0, 1001, 0, 0], gids: [0, 1002, 0, 0], groups: [4, 4242] })
  const attestation = await host.attestor().attest(createFakeConnection(), NONE)
  assert.deepEqual(sorted(attestation), [
    'unix:gid:1002',
    'unix:group:webs',
    'unix:supplementary_gid:4',
    'unix:supplementary_gid:4242',
    'unix:supplementary_group:logs',
    'unix:uid:1001',
    'unix:user:web',
  ])
  assert.deepEqual([...attestation.unknownKinds], [])
  assert.equal(attestation.at, clock.now())
  const { exeIdentity, ...process } = attestation.process
  assert.deepEqual(process, { pid: 7, uid: 1001, gid: 1002, exe: host.exe })
  assert(exeIdentity)
})

test('attest gives the path only if the host has the running file there', async (t) => {
  const host = createHost(t)
  const given = await host.attestor({ hostRoot: '' }).attest(createFakeConnection(), NONE)
  assert(given.selectors.has(`unix:path:${host.exe}` as never))
  writeIn(host.root, `${host.root}/bin/envoy`, 'another program')
  const forged = await host.attestor().attest(createFakeConnection(), NONE)
  assert(!sorted(forged).some((selector) => selector.startsWith('unix:path')))
  assert(forged.notes.some((note) => note.includes('another file than the one that runs')))
  assert(!forged.unknownKinds.has('unix:path'))
})

test('attest hashes only when an entry asks for it, and says why it does not hash a large file', async (t) => {
  const host = createHost(t)
  const hashed: number[] = []
  const digests = createDigests({
    clock,
    hash: (fd) => Promise.resolve(`digest ${hashed.push(fd)}`),
  })
  const plain = await host
    .attestor({ digests })
    .attest(createFakeConnection(), new Set(['unix:path']))
  assert(!sorted(plain).some((selector) => selector.startsWith('unix:sha256')))
  assert.equal(hashed.length, 0)
  const small = { ...ALL, sha256MaxBytes: 6 }
  const capped = await host
    .attestor({ digests, config: small })
    .attest(createFakeConnection(), WITH_HASH)
  assert.equal(hashed.length, 0)
  assert(!capped.unknownKinds.has('unix:sha256'))
  assert(capped.notes.some((note) => note.includes('7 bytes, more than the 6')))
  const real = await host.attestor().attest(createFakeConnection(), WITH_HASH)
  const digest = createHash('sha256').update('program').digest('hex')
  assert(real.selectors.has(`unix:sha256:${digest}` as never))
})

test('a digest that cannot be made now is not known, which is not absent', async (t) => {
  const host = createHost(t)
  for (const hash of [() => Promise.resolve(undefined), () => Promise.reject(new Error('EIO'))]) {
    const digests = createDigests({ clock, hash })
    const attestation = await host.attestor({ digests }).attest(createFakeConnection(), WITH_HASH)
    assert.deepEqual([...attestation.unknownKinds], ['unix:sha256'])
    assert(attestation.selectors.has('unix:uid:1001' as never))
  }
})

test('kinds that are switched off are absent, with a note for those who ask', async (t) => {
  const host = createHost(t)
  const off = { path: false, sha256: false, sha256MaxBytes: 1_000 }
  const attestation = await host
    .attestor({ config: off, hostRoot: '' })
    .attest(createFakeConnection(), WITH_HASH)
  assert(!sorted(attestation).some((selector) => /path|sha256/.test(selector)))
  assert.deepEqual([...attestation.unknownKinds], [])
  assert.equal(attestation.notes.filter((note) => note.includes('switched off')).length, 2)
})

test('while passwd or group cannot be read, names are not known; a uid without a name has none', async (t) => {
  const host = createHost(t)
  rmSync(join(host.root, 'etc/passwd'))
  const attestor = host.attestor()
  const noUsers = await attestor.attest(createFakeConnection(), NONE)
  assert.deepEqual([...noUsers.unknownKinds], ['unix:user'])
  assert(noUsers.selectors.has('unix:group:webs' as never))
  rmSync(join(host.root, 'etc/group'))
  const neither = await attestor.attest(createFakeConnection(), NONE)
  assert.deepEqual(
    [...neither.unknownKinds],
    ['unix:user', 'unix:group', 'unix:supplementary_group'],
  )
  writeIn(host.root, 'etc/passwd', '')
  writeIn(host.root, 'etc/group', '')
  const nobody = await attestor.attest(createFakeConnection(), NONE)
  assert.deepEqual([...nobody.unknownKinds], [])
  assert.deepEqual(sorted(nobody), ['unix:gid:1002', 'unix:uid:1001'])
})

test('attest refuses a process that ended, is another by now, or became another uid', async (t) => {
  const host = createHost(t)
  const attestor = host.attestor()
  const ended = createFakeConnection()
  ended.end()
  for (const [connection, message] of [
    [ended, /has ended/],
    [createFakeConnection({ startTime: '999' }), /another one/],
    [createFakeConnection({ uid: 0 }), /became uid 1001/],
    [createFakeConnection({ pid: 8 }), /has ended/],
  ] as const) {
    await assert.rejects(attestor.attest(connection, NONE), { code: 'peer_gone', message })
  }
})

test('attest believes nothing it read of a process that ended while it was hashed', async (t) => {
  const host = createHost(t)
  const connection = createFakeConnection()
  const digests = createDigests({
    clock,
    hash() {
      connection.end()
      return Promise.resolve('digest')
    },
  })
  await assert.rejects(host.attestor({ digests }).attest(connection, WITH_HASH), {
    code: 'peer_gone',
  })
})

test('a program executed while the one before it was hashed is attested instead', async (t) => {
  const host = createHost(t)
  const second = writeIn(host.root, 'bin/second', 'second')
  let execs = 0
  const digests = createDigests({
    clock,
    hash() {
      execs += 1
      if (execs === 1) host.write({ exe: second })
      return Promise.resolve(`digest ${execs}`)
    },
  })
  const attestor = host.attestor({ digests })
  const attestation = await attestor.attest(createFakeConnection(), WITH_HASH)
  assert.equal(attestation.process.exe, second)
  assert(attestation.selectors.has('unix:sha256:digest 2' as never))
  assert(!attestation.selectors.has('unix:sha256:digest 1' as never))
})

test('a process that never stops executing programs is not ready, and not gone', async (t) => {
  const host = createHost(t)
  const digests = createDigests({
    clock,
    remembered: 0,
    hash() {
      renameSync(writeIn(host.root, 'next', 'next'), host.exe)
      return Promise.resolve('digest')
    },
  })
  await assert.rejects(host.attestor({ digests }).attest(createFakeConnection(), WITH_HASH), {
    code: 'not_ready',
  })
})

test('unchanged is true only for the same program, uid, gid and a living process', async (t) => {
  const host = createHost(t)
  const attestor = host.attestor()
  const connection = createFakeConnection()
  const before = await attestor.attest(connection, NONE)
  assert.equal(attestor.unchanged(connection, before), true)
  for (const change of [
    { exe: writeIn(host.root, 'bin/other', 'other') },
    { uids: [1001, 0, 0, 0] },
    { gids: [1002, 0, 0, 0] },
  ]) {
    host.write(change)
    assert.equal(attestor.unchanged(connection, before), false, JSON.stringify(change))
    host.write()
    assert.equal(attestor.unchanged(connection, before), true)
  }
  connection.end()
  assert.equal(attestor.unchanged(connection, before), false)
})
