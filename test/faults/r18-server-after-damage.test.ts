/**
 * R18: files of a server are damaged while it is down: the next start finds it, makes nothing in the place of what was lost, and says
 * what to do. What it says is done here to the letter, and brings the fleet back.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { Bundle } from '../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { Entry } from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { spindle } from '../e2e/rig/command.ts'
import { addEntry, bundlePem, joining, newToken } from '../e2e/rig/joining.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, eventually, write } from '../e2e/rig/rig.ts'
import type { FleetServer } from '../e2e/rig/server.ts'
import { createWorkloadTestClient } from '../e2e/rig/workload-client.ts'
import { flipBit, follow, refusalOf, tear } from './damage.ts'

const CALL = { deadlineMs: 20_000 }
const { fetchX509SVID } = SpiffeWorkloadAPI.method

/** A server, and what an agent of it that serves `/web` joins by. */
async function fleet(t: TestContext) {
  const rig = createRig(t)
  const server = await rig.server()
  const joined = await joining(rig, server, 'a')
  await addEntry(server, 'a', '/web')
  return { rig, server, ...joined, stateDir: join(server.folder, 'state') }
}

/** Of these, and no others, a caller that comes now is given SVIDs. */
async function expectServed(agent: Agent, ...more: string[]): Promise<void> {
  const client = createWorkloadTestClient(agent.socket)
  try {
    const wanted = ['/web', ...more].map((path) => `spiffe://example.org${path}`).sort()
    const isAll = ({ svids }: { readonly svids: readonly { readonly spiffeId: string }[] }) =>
      isDeepStrictEqual(svids.map(({ spiffeId }) => spiffeId).sort(), wanted)
    // Who asks before there is something is to ask again.
    await eventually('all is served', () => client.stream(fetchX509SVID).next(isAll))
  } finally {
    client.close()
  }
}

/** Why the agent is not up to date with its server; empty: it is. */
async function faultOf({ admin }: Agent): Promise<string> {
  const { server } = await admin.call(AdminService.method.getStatus, {}, CALL)
  return server?.fault ?? 'no server'
}

const isConnected = async (agent: Agent): Promise<boolean> => (await faultOf(agent)) === ''

async function started(rig: Rig, server: FleetServer): Promise<FleetServer> {
  const next = await server.restart()
  rig.atEnd(() => next.stop())
  return next
}

async function anchorsOf({ local }: FleetServer): Promise<readonly string[]> {
  const { x509Authorities } = await local.call(Bundle.method.getBundle, {}, CALL)
  return x509Authorities.map(({ asn1 }) => Buffer.from(asn1).toString('base64'))
}

async function pathsOf({ local }: FleetServer): Promise<readonly string[]> {
  const { entries } = await local.call(Entry.method.listEntries, {}, CALL)
  return entries.map(({ spiffeId }) => spiffeId?.path ?? '').sort()
}

/** Digests of what the server signs with: a test that fails prints no key. */
function keysIn(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder).filter((name) => /^(server-id|authority-.*)$/.test(name))
  return new Map(
    names.sort().map((name) => [name, hash('sha256', readFileSync(join(folder, name)))]),
  )
}

test('R18: a server whose keys were damaged begins with no others by itself; its copies bring it back, or new ones an operator wants', async (t) => {
  const { rig, stateDir, tokenFile, config, ...first } = await fleet(t)
  let { server } = first
  const before = await anchorsOf(server)
  await server.stop()
  const copies = Array.from(keysIn(stateDir).keys())
  assert.deepEqual(copies, ['authority-embedded.json', 'authority-jwt.json', 'server-id'])
  const backup = join(rig.folder, 'copies-')
  for (const name of copies) copyFileSync(join(stateDir, name), backup + name)

  for (const [name, damage] of [
    ['authority-embedded.json', flipBit],
    ['server-id', tear],
  ] as const) {
    damage(join(stateDir, name))
    const content = keysIn(stateDir)
    const told = await refusalOf(() => server.restart())
    assert.match(
      told,
      /cannot be used.*begins with no other ones by itself.*\(authority_lost\)/s,
      name,
    )
    assert.deepEqual(keysIn(stateDir), content, 'it is as it was')
    assert.match(told, /1\. put the newest copy of server-id and authority-\*\.json back into/)
    for (const copy of copies) copyFileSync(backup + copy, join(stateDir, copy))
  }
  server = await started(rig, server)
  assert.deepEqual(await anchorsOf(server), before)
  const agent = await rig.agent({ config })
  await expectServed(agent)

  await server.stop()
  flipBit(join(stateDir, 'authority-embedded.json'))
  const told = await refusalOf(() => server.restart())
  follow(told, /begin with new ones instead: (touch \S+), then start/)
  server = await started(rig, server)
  const after = await anchorsOf(server)
  assert.equal(after.length, 2)
  assert(after.includes(before[0]!), 'what the lost one signed stays trusted')
  assert.match(readdirSync(stateDir).join(), /authority-embedded\.json\.set-aside-/)
  await eventually('the agent does not know it', async () =>
    /remove its cache, and start it with a bundle of today/.test(await faultOf(agent)),
  )
  await expectServed(agent)

  // As the message has it: where there is no other server, nodes join anew with the new bundle.
  assert.match(told, /where there is none, they join anew with the new bundle/)
  await agent.stop()
  rmSync(join(agent.folder, 'state/node.sealed'))
  write(config.authority.trustBundleFile, await bundlePem(server))
  write(tokenFile, await newToken(server, 'a'))
  const again = await agent.restart()
  rig.atEnd(() => again.stop())
  await eventually('the agent has joined anew', () => isConnected(again))
  await expectServed(again)
})

test('R18: a server whose store was damaged sets it aside and begins with no other by itself; a backup brings it back, or an import', async (t) => {
  const { rig, stateDir, tokenFile, config, ...first } = await fleet(t)
  let { server } = first
  const agent = await rig.agent({ config })
  await expectServed(agent)
  const before = await anchorsOf(server)
  const at = ['--server-socket', server.adminSocket]
  const database = join(stateDir, 'registry.db')
  const [copy, exported] = [join(rig.folder, 'backup.db'), join(rig.folder, 'entries.json')]
  const run = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await spindle([...args, ...at])
    assert.equal(code, 0, err)
    return out
  }
  await run('server', 'backup', copy)
  write(exported, await run('entry', 'export'))
  await addEntry(server, 'a', '/after-the-backup')
  await expectServed(agent, '/after-the-backup')

  await server.stop()
  tear(database)
  const torn = readFileSync(database)
  const told = await refusalOf(() => server.restart())
  assert.match(told, /starts with no other one by itself.*\(store_corrupt\)/s)
  const aside = /set aside as (\S+), unchanged/.exec(told)?.[1] ?? ''
  assert(readFileSync(aside).equals(torn), 'it is kept as it is')
  assert.match(
    await refusalOf(() => server.restart()),
    /To go on from a backup.*\(store_unavailable\)/s,
  )
  follow(told, /1\. (mkdir .*)/)
  follow(told, /2\. (cp .*)/, (line) => line.replace('BACKUP', copy))
  server = await started(rig, server)
  assert.deepEqual(await anchorsOf(server), before)
  assert.deepEqual(await pathsOf(server), ['/web', '/node/a'].sort())
  await eventually('the agent is back by itself', () => isConnected(agent))
  await addEntry(server, 'a', '/again')
  await expectServed(agent, '/again')

  await server.stop()
  flipBit(database)
  const empty = await refusalOf(() => server.restart())
  assert.match(empty, /To begin with an empty registry instead: step 1, then start the server/)
  follow(empty, /1\. (mkdir .*)/)
  server = await started(rig, server)
  assert.deepEqual(await anchorsOf(server), before, 'the CA is the one in stateDir')
  assert.deepEqual(await pathsOf(server), [])
  await run('entry', 'import', exported)
  write(tokenFile, await newToken(server, 'a'))
  await eventually('the agent has joined anew', () => isConnected(agent))
  await expectServed(agent)
})
