import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { verifyX509Svid } from '../../src/certs/parse.ts'
import { Bundle } from '../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { Entry } from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import { SVID } from '../../src/gen/spire/api/server/svid/v1/svid_pb.js'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createOperatorCa } from '../fakes/operator-ca.ts'
import { startAgent } from './rig/agent.ts'
import { spindle } from './rig/command.ts'
import { startServer } from './rig/server.ts'
import type { FleetServer } from './rig/server.ts'

const trustDomain = parseTrustDomain('example.org')
const web = parseSpiffeId('spiffe://example.org/web')
const deadlineMs = 10_000
const HOUR = 3_600_000

const bundleOf = ({ local }: FleetServer) => local.call(Bundle.method.getBundle, {}, { deadlineMs })

async function anchors(server: FleetServer): Promise<string[]> {
  const { x509Authorities } = await bundleOf(server)
  return x509Authorities.map(({ asn1 }) => Buffer.from(asn1).toString('hex'))
}

async function kids(server: FleetServer): Promise<string[]> {
  return (await bundleOf(server)).jwtAuthorities.map(({ keyId }) => keyId).toSorted()
}

/** An X.509-SVID minted by `server`, verified with the roots of `root`; @returns what signed the leaf */
async function mint(server: FleetServer, root: FleetServer): Promise<Buffer> {
  const csr = await writeCsr(await generateKey('ec-p256'), { spiffeId: web })
  const { svid } = await server.local.call(SVID.method.mintX509SVID, { csr }, { deadlineMs })
  const chain = (svid?.certChain ?? []).map((der) => Buffer.from(der))
  const roots = (await anchors(root)).map((hex) => Buffer.from(hex, 'hex'))
  const bundles = new Map([[trustDomain, roots]])
  assert.equal(verifyX509Svid(chain, bundles, { now: Date.now(), mode: 'strict' }), web)
  // The server's own CA certificate, and what the server above has between it and the root.
  assert.equal(chain.length, 3)
  return chain[1]!
}

test('a server below a server signs under its roots, with its JWT keys known there, and goes on while it is away', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-below-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const life = { notBefore: Date.now() - HOUR, notAfter: Date.now() + 1_000 * HOUR }
  const ca = await createOperatorCa({ name: 'root', ...life })
  mkdirSync(join(folder, 'ca'), { mode: 0o700 })
  const [certFile, keyFile] = [join(folder, 'ca/root.pem'), join(folder, 'ca/key.pem')]
  writeFileSync(certFile, ca.certPem)
  writeFileSync(keyFile, ca.keyPem, { mode: 0o600 })
  const authority = { kind: 'disk', certFile, keyFile }

  let root = await startServer(join(folder, 'root'), { config: { authority } })
  t.after(() => root.stop())
  const selectors = [{ type: 'unix', value: 'uid:0' }]
  const entry = {
    spiffeId: { trustDomain, path: '/below' },
    parentId: { trustDomain, path: '/spire/agent/a' },
    selectors,
    downstream: true,
  }
  await root.local.call(Entry.method.batchCreateEntry, { entries: [entry] }, { deadlineMs })
  // Of the same CA as the root server, so that the server below has its identity from here.
  const spiffeId = 'spiffe://example.org/below'
  const uid = process.getuid?.() ?? 0
  const agent = await startAgent(join(folder, 'agent'), {
    config: { authority },
    entries: [{ spiffeId, selectors: [`unix:uid:${uid}`] }],
  })
  t.after(() => agent.stop())
  const nestedAuthority = {
    kind: 'server',
    address: root.address,
    workloadApiSocket: agent.socket,
  }
  let nested = await startServer(join(folder, 'nested'), { config: { authority: nestedAuthority } })
  t.after(() => nested.stop())

  assert.deepEqual(await anchors(nested), await anchors(root))
  const signer = await mint(nested, root)
  for (const kid of await kids(nested))
    assert.ok((await kids(root)).includes(kid), 'a JWT key is not known above')

  await root.stop()
  nested.child.signal('SIGKILL')
  await nested.stop()
  nested = await nested.restart()
  root = await root.restart()
  assert.deepEqual(await mint(nested, root), signer)
})

test('a server below another one that has no identity to show there does not start, and says why', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-below-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const config = {
    trustDomain: 'example.org',
    listen: '127.0.0.1:0',
    admin: { socket: join(folder, 'run/server.sock') },
    http: false,
    stateDir: join(folder, 'state'),
    authority: { kind: 'server', address: '127.0.0.1:1', workloadApiSocket: 'no.sock' },
  }
  const file = join(folder, 'server.yaml')
  writeFileSync(file, JSON.stringify(config))
  const { code, err } = await spindle(['server', '-c', file])
  assert.match(err, /no X\.509-SVID from the Workload API at .*no\.sock: .* \(ENOENT\)/)
  assert.equal(code, 3)
})
