import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { LinkMemory, LinkState, Served } from '../../src/agent/obtain/server/link.ts'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { until } from '../fakes/until.ts'
import type { OpenLink } from './server-links.ts'
import { openLink, runServer } from './server-links.ts'
import { temporaryFolder } from '../fakes/folder.ts'

const pathsOf = (served: Served | undefined): string[] =>
  (served?.entries ?? []).map(({ spiffeId }) => spiffeId.replace('spiffe://example.org', '')).sort()

test('a link attests by a join token, has the entries of its node, and has them signed', async (t) => {
  const { folder, address, operator } = await runServer(t)
  const [tokenFile, file] = [join(folder, 'token'), join(folder, 'bundle.pem')]
  writeFileSync(tokenFile, `${await operator.token()}\n`)
  writeFileSync(file, await operator.bundlePem())
  const web = await operator.entry('web')
  const { link, memories } = await openLink(t, {
    config: { address, trust: { kind: 'file', file }, attest: { kind: 'join-token', tokenFile } },
  })
  // The token's own entry, which makes the agent the node, is one of them.
  const served = await until(link.served, (value) => value !== undefined)
  assert.deepEqual(pathsOf(served), ['/node', '/web'])
  assert.equal(link.state.current.fault, undefined)
  assert.equal(link.state.current.protocol, 'sync')

  const api = await operator.entry('api')
  await until(link.served, (value) => value?.entries.length === 3)
  const csr = await writeCsr(await generateKey('ec-p256'))
  const signed = await Promise.all([web, api].map((entryId) => link.signX509({ entryId, csr })))
  assert.equal(signed.length, 2)
  const jwt = await link.signJwt({ entryId: web, audience: ['a', 'b'] })
  assert.ok(jwt.token.length > 0)
  await operator.deleteEntry(web)
  await until(link.served, (value) => value?.entries.length === 2)
  assert.ok(memories.at(-1)?.svid !== undefined)
})

const isUp = ({ fault, protocol }: LinkState): boolean => fault === undefined && protocol === 'sync'

async function joined(
  t: TestContext,
  server: Awaited<ReturnType<typeof runServer>>,
  trust: 'file' | 'insecure' = 'file',
): Promise<OpenLink & { again(memory: LinkMemory | undefined): Promise<OpenLink> }> {
  const file = join(temporaryFolder(t), 'bundle.pem')
  writeFileSync(file, await server.operator.bundlePem())
  const config = {
    address: server.address,
    trust: trust === 'file' ? ({ kind: 'file', file } as const) : ({ kind: 'insecure' } as const),
    attest: { kind: 'join-token', token: await server.operator.token() } as const,
  }
  const opened = await openLink(t, { config })
  await until(opened.link.state, isUp)
  return { ...opened, again: (memory) => openLink(t, { config, memory }) }
}

test('a link outlives its server: it says so, and is pushed changes again once the server is back', async (t) => {
  const server = await runServer(t)
  const { link } = await joined(t, server)
  await server.server.stop()
  await until(link.state, ({ fault }) => fault !== undefined)
  assert.deepEqual(pathsOf(link.served.current), ['/node'])
  const back = await runServer(t, { folder: server.folder, port: server.address.port })
  await back.operator.entry('web')
  await until(link.served, (value) => value?.entries.length === 2)
  await until(link.state, isUp)
})

test('a link of a process before this one goes on with its SVID, its bundle and its entries', async (t) => {
  const server = await runServer(t)
  const before = await joined(t, server)
  await until(before.link.served, (value) => value?.entries.length === 1)
  await before.link.close()
  const kept = before.memories.at(-1)
  assert.ok((kept?.resumeToken.length ?? 0) > 0)
  await server.operator.entry('web')
  const { link } = await before.again(kept)
  assert.deepEqual(pathsOf(link.served.current), ['/node'])
  await until(link.served, (value) => value?.entries.length === 2)
  assert.equal(link.state.current.agentId, before.link.state.current.agentId)
})

test('a link renews its SVID when what signed it is tainted, moves its stream, and is verified once that is revoked', async (t) => {
  const server = await runServer(t)
  const { link, memories } = await joined(t, server, 'insecure')
  assert.equal(link.state.current.bootstrap, 'unverified')
  const before = memories.at(-1)?.svid?.chain[0]
  const revoke = await server.operator.rotate()
  await until(link.state, () => {
    const svid = memories.at(-1)?.svid?.chain[0]
    return svid !== undefined && before !== undefined && Buffer.compare(before, svid) !== 0
  })
  await revoke()
  await until(link.state, ({ bootstrap }) => bootstrap === 'verified')
  await server.operator.entry('web')
  await until(link.served, (value) => value?.entries.length === 2)
  await until(link.state, isUp)
})
