/**
 * R04: a server is killed at one write to its disk after the other, from its first start on: between what it signs and what it
 * stores, between two files, in the middle of a rotation. No entry that was acknowledged is lost, no serial is used twice, and no
 * CA is made anew: what was published stays in the bundle.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { parseCertificate } from '../../src/certs/parse.ts'
import { Agent } from '../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { Entry } from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import { LocalAuthority } from '../../src/gen/spire/api/server/localauthority/v1/localauthority_pb.js'
import { SVID } from '../../src/gen/spire/api/server/svid/v1/svid_pb.js'
import { messageOf } from '../../src/runtime/errors.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import type { RpcClient } from '../../src/wire/client.ts'
import { createRig } from '../e2e/rig/rig.ts'
import { startServer } from '../e2e/rig/server.ts'
import type { FleetServer } from '../e2e/rig/server.ts'
import { atScale } from './scale.ts'

/** What a write is made of, and at which of them it is killed: each one, or one of so many. */
const WRITES = [
  ['fsync', 1],
  ['rename', 1],
  ['fdatasync', atScale(3, 1)],
  ['pwrite64', atScale(9, 1)],
] as const
const LEAST_KILLS = 20
const CALL = { deadlineMs: 10_000 }
const WEB = { trustDomain: 'example.org', path: '/web' }

/** What was acknowledged, over all lives of the server. */
interface Acknowledged {
  readonly entries: Set<string>
  readonly serials: Set<string>
  readonly anchors: Set<string>
  kills: number
}

test('R04: a server killed while it writes, at one place after the other, goes on with all that it acknowledged', async (t) => {
  if (spawnSync('strace', ['-V']).status !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI has strace')
    t.skip('needs strace, which ends it at its writes')
    return
  }
  const rig = createRig(t)
  const folder = join(rig.folder, 'fleet')
  mkdirSync(folder)
  const said: Acknowledged = {
    entries: new Set(),
    serials: new Set(),
    anchors: new Set(),
    kills: 0,
  }
  const own = join(folder, 'server')
  for (const [call, stride] of WRITES)
    for (let write = 1; await isKilledAt({ call, write }, own, said); write += stride) {
      said.kills += 1
      const server = await startServer(own)
      await expectAll(server, said)
      await server.stop()
    }
  assert(said.kills >= LEAST_KILLS, `killed ${said.kills} times only`)
  t.diagnostic(
    `${said.kills} kills, ${said.entries.size} entries, ${said.serials.size} certificates, ${said.anchors.size} CAs`,
  )
})

/** Lets a server work that ends when it begins that call for the so manieth time. @returns whether it came so far */
async function isKilledAt(
  { call, write }: { readonly call: string; readonly write: number },
  folder: string,
  said: Acknowledged,
): Promise<boolean> {
  const inject = `inject=${call}:signal=SIGKILL:when=${write}`
  const through = ['strace', '-f', '-qqq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject]
  let server: FleetServer | undefined
  try {
    server = await startServer(folder, { through })
    await work(server, said)
    return false
  } catch (thrown) {
    // What it answered wrongly is no kill, nor is an end of its own.
    if (thrown instanceof assert.AssertionError) throw thrown
    if (server === undefined) assert.match(messageOf(thrown), /ended \(SIGKILL\)/)
    else assert.equal((await server.child.ended).signal, 'SIGKILL')
    return true
  } finally {
    server?.local.close()
    if (server !== undefined) endIfThere(server.pid)
    await server?.child.ended
  }
}

/** strace lets go of a process that outlives it. */
function endIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/** Resolves when all is done; rejects as soon as the server is gone. */
async function work({ local }: FleetServer, said: Acknowledged): Promise<void> {
  await remember(local, said)
  for (let round = 0; round < 3; round += 1) {
    await create(local, said)
    await mint(local, said)
    await local.call(Agent.method.createJoinToken, { ttl: 600 }, CALL)
  }
  const { preparedAuthority } = await local.call(
    LocalAuthority.method.prepareX509Authority,
    {},
    CALL,
  )
  await remember(local, said)
  await local.call(
    LocalAuthority.method.activateX509Authority,
    { authorityId: preparedAuthority?.authorityId ?? '' },
    CALL,
  )
  await mint(local, said)
}

async function create(local: RpcClient, said: Acknowledged): Promise<void> {
  const entry = {
    spiffeId: WEB,
    parentId: { trustDomain: 'example.org', path: '/host' },
    selectors: [{ type: 'unix', value: `uid:${said.entries.size + 1}${said.kills}` }],
  }
  const { results } = await local.call(Entry.method.batchCreateEntry, { entries: [entry] }, CALL)
  assert.equal(results[0]?.status?.code ?? 0, 0, results[0]?.status?.message)
  said.entries.add(results[0]?.entry?.id ?? '')
}

async function mint(local: RpcClient, said: Acknowledged): Promise<void> {
  const key = await generateKey('ec-p256')
  const csr = await writeCsr(key, { spiffeId: parseSpiffeId('spiffe://example.org/web') })
  const { svid } = await local.call(SVID.method.mintX509SVID, { csr, ttl: 600 }, CALL)
  const { serial } = parseCertificate(svid!.certChain[0]!, 'the SVID')
  assert(!said.serials.has(serial), `serial ${serial} is used twice`)
  said.serials.add(serial)
}

async function remember(local: RpcClient, said: Acknowledged): Promise<void> {
  for (const anchor of await anchorsOf(local)) said.anchors.add(anchor)
}

async function anchorsOf(local: RpcClient): Promise<ReadonlySet<string>> {
  const { x509Authorities } = await local.call(Bundle.method.getBundle, {}, CALL)
  return new Set(x509Authorities.map(({ asn1 }) => Buffer.from(asn1).toString('base64')))
}

async function expectAll({ local }: FleetServer, said: Acknowledged): Promise<void> {
  const { entries } = await local.call(Entry.method.listEntries, {}, CALL)
  const there = new Set(entries.map(({ id }) => id))
  for (const id of said.entries) assert(there.has(id), `entry ${id} is lost`)
  const anchors = await anchorsOf(local)
  for (const anchor of said.anchors) assert(anchors.has(anchor), 'a CA that was published is gone')
  const { active } = await local.call(LocalAuthority.method.getX509AuthorityState, {}, CALL)
  assert(active !== undefined, 'nothing signs')
  // A next one signs only once it was told of: what signs now and was never published is a CA made anew.
  const published = Array.from(said.anchors, (der) => authorityOf(Buffer.from(der, 'base64')))
  if (published.length > 0) assert(published.includes(active.authorityId), 'a CA is made anew')
  await remember(local, said)
  await mint(local, said)
}

const authorityOf = (der: Buffer): string =>
  parseCertificate(der, 'an authority').subjectKeyId.toLowerCase()
