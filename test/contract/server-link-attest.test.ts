import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { ServerLinkConfig } from '../../src/config/link/link-config.ts'
import type { LinkState } from '../../src/agent/obtain/server/link.ts'
import { toPem } from '../../src/certs/parse.ts'
import { createFleet } from '../unit/server/admit/fleet.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { until } from '../fakes/until.ts'
import { openLink, runServer } from './server-links.ts'
import type { OperatedServer } from './server-links.ts'

const isUp = ({ fault }: LinkState): boolean => fault === undefined

async function filesOf(
  t: TestContext,
): Promise<{ folder: string; ca: string; cert: string; key: string }> {
  const folder = temporaryFolder(t)
  const nodes = await createFleet('nodes.test')
  const { chain, pkcs8 } = await nodes.sign('/node-1')
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  return {
    folder,
    ca: write('ca.pem', toPem(nodes.root, 'CERTIFICATE')),
    cert: write('node.pem', toPem(chain[0]!, 'CERTIFICATE')),
    key: write('node-key.pem', toPem(pkcs8, 'PRIVATE KEY')),
  }
}

async function attested(
  t: TestContext,
  { address, operator }: OperatedServer,
  attest: ServerLinkConfig['attest'],
): Promise<LinkState> {
  const file = join(temporaryFolder(t), 'bundle.pem')
  writeFileSync(file, await operator.bundlePem())
  const { link } = await openLink(t, { config: { address, trust: { kind: 'file', file }, attest } })
  return until(link.state, isUp)
}

test('a link attests by a certificate of the node (x509pop)', async (t) => {
  const { ca, cert, key } = await filesOf(t)
  const server = await runServer(t, { more: `nodeAttestors: { x509pop: { caBundleFile: ${ca} } }` })
  const attest = {
    kind: 'x509pop',
    certFile: cert,
    keyFile: key,
    intermediatesFile: undefined,
  } as const
  const { agentId } = await attested(t, server, attest)
  assert.match(agentId ?? '', /^spiffe:\/\/example\.org\/spire\/agent\/x509pop\/[0-9a-f]{40}$/)
})

test('a link attests by what it serves over HTTP (http_challenge)', async (t) => {
  const more = 'nodeAttestors: { httpChallenge: { allowedDnsPatterns: ["127[.]0[.]0[.]1"] } }'
  const server = await runServer(t, { more })
  const { agentId } = await attested(t, server, {
    kind: 'http-challenge',
    hostname: '127.0.0.1',
    agentName: 'default',
    port: 0,
    advertisedPort: undefined,
  })
  assert.equal(agentId, 'spiffe://example.org/spire/agent/http_challenge/127.0.0.1')
})

test('a join token that was used is a fault that says what to do, and another in the file is taken', async (t) => {
  const { folder, address, operator } = await runServer(t)
  const [tokenFile, file] = [join(folder, 'token'), join(folder, 'bundle.pem')]
  writeFileSync(file, await operator.bundlePem())
  writeFileSync(tokenFile, await operator.token())
  const config = {
    address,
    trust: { kind: 'file', file },
    attest: { kind: 'join-token', tokenFile },
  } as const
  const first = await openLink(t, { config })
  await until(first.link.state, isUp)
  const second = await openLink(t, { config })
  const { fault } = await until(
    second.link.state,
    (state) => state.fault?.includes('token') === true,
  )
  assert.match(fault ?? '', /make another on the server/)
  assert.ok(fault?.includes(tokenFile), fault)
  // As `spindle token generate > token` writes it.
  writeFileSync(tokenFile, `Token: ${await operator.token()}\n`)
  await until(second.link.state, isUp)
})

test('a link that trusts whoever answers says so until what it saw has left the bundle', async (t) => {
  const { address, operator } = await runServer(t)
  const attest = { kind: 'join-token', token: await operator.token() } as const
  const { link, memories } = await openLink(t, {
    config: { address, trust: { kind: 'insecure' }, attest },
  })
  const { bootstrap } = await until(link.state, isUp)
  assert.equal(bootstrap, 'unverified')
  assert.ok(memories.at(-1)?.trust.pinned !== undefined)
})
