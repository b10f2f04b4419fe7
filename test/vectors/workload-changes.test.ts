/** Vectors of the Workload API that need several identities, bundles or authorities, or a change of them (parts 8 to 10). */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { toPem } from '../../src/certs/parse.ts'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { status } from '../../src/runtime/grpc-status.ts'
import { splitDer } from '../../src/spiffe/der.ts'
import type { Agent, AgentSettings, EntrySettings } from '../e2e/rig/agent.ts'
import { bundleDocument, createPartner } from '../e2e/rig/partner.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, write } from '../e2e/rig/rig.ts'
import type { WorkloadTestClient } from '../e2e/rig/workload-client.ts'
import { createWorkloadTestClient } from '../e2e/rig/workload-client.ts'
import { createForeignIssuer } from '../interop/foreign-tokens.ts'
import { makeCa } from '../unit/certs/make-certificate.ts'

const { method } = SpiffeWorkloadAPI
const OWN = 'spiffe://example.org'
const PARTNER = 'spiffe://partner.test'

const entry = (name: string, more: Partial<EntrySettings> = {}): EntrySettings => ({
  spiffeId: `${OWN}/${name}`,
  selectors: [`unix:uid:${process.getuid?.()}`],
  ...more,
})

const federated = (name: string): EntrySettings => entry(name, { federatesWith: ['partner.test'] })

async function setUp(
  rig: Rig,
  settings: AgentSettings,
): Promise<{ readonly agent: Agent; readonly client: WorkloadTestClient }> {
  const agent = await rig.agent(settings)
  const client = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => client.close())
  return { agent, client }
}

/** The configuration of a partner whose bundle is `document`. */
function partner({ folder }: Rig, document: string): { readonly bundles: object } {
  const file = join(folder, 'partner.json')
  write(file, document)
  return { bundles: { 'partner.test': { file } } }
}

const certificates = (der: Uint8Array | undefined): X509Certificate[] =>
  splitDer(der ?? new Uint8Array(), 10)!.map((each) => new X509Certificate(each))

const keyIdOf = (token: string): unknown =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown })
    .kid

test('T-WT-9 of two entries with one hint the caller is told of one, the first', async (t) => {
  const hint = 'internal'
  const entries = [entry('first', { hint }), entry('second', { hint }), entry('third')]
  const { client } = await setUp(createRig(t), { entries })
  const { svids } = await client.stream(method.fetchX509SVID).next()
  const told = svids.map(({ spiffeId, hint: its }) => [spiffeId, its])
  assert.deepEqual(told, [
    [`${OWN}/first`, hint],
    [`${OWN}/third`, ''],
  ])
  const tokens = await client.call(method.fetchJWTSVID, { audience: ['db'] })
  assert.deepEqual(
    tokens.svids.map(({ spiffeId, hint: its }) => [spiffeId, its]),
    told,
  )
})

test('T-WT-7, T-WX-6 the own trust domain and those federated with, each where it belongs, until they are no more', async (t) => {
  const rig = createRig(t)
  const { pem } = await createPartner('partner.test')
  const { agent, client } = await setUp(rig, {
    entries: [federated('web')],
    config: partner(rig, bundleDocument('partner.test', pem)),
  })
  const svids = client.stream(method.fetchX509SVID)
  const bundles = client.stream(method.fetchX509Bundles)
  const [first, set] = [await svids.next(), await bundles.next()]
  assert.deepEqual(Object.keys(first.federatedBundles), [PARTNER])
  assert.deepEqual(Object.keys(set.bundles).toSorted(), [OWN, PARTNER])
  assert.deepEqual(set.bundles[OWN], first.svids[0]?.bundle)
  assert.deepEqual(set.bundles[PARTNER], first.federatedBundles[PARTNER])
  assert.deepEqual([first.crl, set.crl], [[], []])

  agent.setEntries([entry('web')])
  const [alone] = await Promise.all([svids.next(undefined, 1), bundles.next(undefined, 1)])
  assert.deepEqual(Object.keys(alone.federatedBundles), [])
  assert.equal(alone.svids.length, 1, 'the whole state, not what has changed of it')
  assert.deepEqual(Object.keys(bundles.received[1]?.bundles ?? {}), [OWN])
})

test('T-WX-5 a trust domain without authorities is left out', async (t) => {
  const rig = createRig(t)
  const { client } = await setUp(rig, {
    entries: [federated('web')],
    config: partner(rig, '{"keys":[]}'),
  })
  const { federatedBundles } = await client.stream(method.fetchX509SVID).next()
  assert.deepEqual(Object.keys(federatedBundles), [])
  const { bundles } = await client.stream(method.fetchX509Bundles).next()
  assert.deepEqual(Object.keys(bundles), [OWN])
})

test('T-WX-2 a chain is the leaf and its intermediates; the root is in the bundle alone', async (t) => {
  const rig = createRig(t)
  const now = Date.now()
  const life = { notBefore: now - 60_000, notAfter: now + 7 * 86_400_000 }
  const root = await makeCa({ name: 'CN=root', ...life })
  const intermediate = await makeCa({ name: 'CN=intermediate', by: root, ...life })
  const [certFile, keyFile, bundleFile] = ['ca.pem', 'ca.key', 'root.pem'].map((name) =>
    join(rig.folder, name),
  ) as [string, string, string]
  write(certFile, toPem(intermediate.der, 'CERTIFICATE'))
  write(keyFile, toPem(intermediate.key.pkcs8, 'PRIVATE KEY'))
  chmodSync(keyFile, 0o600)
  write(bundleFile, toPem(root.der, 'CERTIFICATE'))
  const { client } = await setUp(rig, {
    entries: [entry('web')],
    config: { authority: { kind: 'disk', certFile, keyFile, bundleFile } },
  })
  const { svids } = await client.stream(method.fetchX509SVID).next()
  // The agent signs with a CA of its own, below the operator's.
  const chain = certificates(svids[0]?.x509Svid)
  const bundle = certificates(svids[0]?.bundle)
  assert.deepEqual([chain.length, bundle.length], [3, 1])
  assert.equal(chain[0]?.subjectAltName, `URI:${OWN}/web`)
  const path = [...chain, ...bundle]
  for (const [index, issuer] of path.slice(1).entries())
    assert(path[index]?.verify(issuer.publicKey), issuer.subject)
  assert.deepEqual([chain[2]?.subject, bundle[0]?.subject], ['CN=intermediate', 'CN=root'])
})

test('T-WX-4 a next CA is told of before it signs, and each message is the whole state', async (t) => {
  const { agent, client } = await setUp(createRig(t), { entries: [entry('web')] })
  const stream = client.stream(method.fetchX509SVID)
  await stream.next()
  await agent.admin.call(AdminService.method.rotateAuthority, {}, { deadlineMs: 20_000 })
  await stream.next(undefined, 2)
  const seen = stream.received.map(({ svids }) => ({
    leaf: certificates(svids[0]?.x509Svid)[0]!,
    anchors: certificates(svids[0]?.bundle),
  }))
  assert.deepEqual(
    seen.map(({ anchors }) => anchors.length),
    [1, 2, 2],
  )
  const [old, next] = seen[1]!.anchors
  assert.deepEqual(seen[0]!.anchors[0]?.raw, old?.raw)
  assert.deepEqual(seen[1]!.leaf.raw, seen[0]!.leaf.raw, 'the same SVID beside the new CA')
  assert(seen[0]!.leaf.verify(old!.publicKey))
  assert(seen[2]!.leaf.verify(next!.publicKey))
})

test('T-WJ-7 a token of a trust domain that the caller does not federate with is not valid for it', async (t) => {
  const rig = createRig(t)
  const issuer = createForeignIssuer('partner.test')
  const { agent, client } = await setUp(rig, {
    entries: [entry('web')],
    config: partner(rig, issuer.bundle),
  })
  const request = { audience: 'db', svid: issuer.issue('/billing', 'db') }
  await assert.rejects(client.call(method.validateJWTSVID, request), {
    code: status.INVALID_ARGUMENT,
  })
  const bundles = client.stream(method.fetchJWTBundles)
  assert.deepEqual(Object.keys((await bundles.next()).bundles), [OWN])
  agent.setEntries([federated('web')])
  await bundles.next(({ bundles: all }) => all[PARTNER] !== undefined)
  const { spiffeId } = await client.call(method.validateJWTSVID, request)
  assert.equal(spiffeId, `${PARTNER}/billing`)
})

test('T-WJ-9 a WIT-SVID is not valid, whichever key of the bundle has signed it', async (t) => {
  const rig = createRig(t)
  const issuer = createForeignIssuer('partner.test')
  const { client } = await setUp(rig, {
    entries: [federated('web')],
    config: partner(rig, issuer.bundle),
  })
  const validate = (svid: string): Promise<unknown> =>
    client.call(method.validateJWTSVID, { audience: 'db', svid })
  await validate(issuer.issue('/billing', 'db'))
  const { kty, crv, x, y } = issuer.jwk
  const cnf = { jwk: { kty, crv, x, y, alg: 'ES384' } }
  for (const typ of ['wit+jwt', 'application/wit+jwt', 'WIT+JWT'])
    await assert.rejects(validate(issuer.sign({ typ }, { sub: `${PARTNER}/billing`, cnf })), {
      code: status.INVALID_ARGUMENT,
    })
})

test('T-WJ-10 a next key is told of in a whole map before the first token of it', async (t) => {
  const { agent, client } = await setUp(createRig(t), { entries: [entry('web')] })
  const stream = client.stream(method.fetchJWTBundles)
  const keysOf = (index: number): string[] => {
    const text = Buffer.from(stream.received[index]?.bundles[OWN] ?? []).toString()
    return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
  }
  const fetch = async (audience: string): Promise<unknown> => {
    const { svids } = await client.call(method.fetchJWTSVID, { audience: [audience] })
    return keyIdOf(svids[0]?.svid ?? '')
  }
  const rotate = (now: boolean): Promise<unknown> =>
    agent.admin.call(
      AdminService.method.rotateAuthority,
      { jwt: true, now },
      { deadlineMs: 10_000 },
    )
  await stream.next()
  const [first] = keysOf(0)
  assert.equal(await fetch('a'), first)
  await rotate(false)
  await stream.next(undefined, 1)
  const [, next, ...more] = keysOf(1).toSorted((one) => (one === first ? -1 : 1))
  assert.deepEqual(more, [])
  assert.equal(await fetch('b'), first, 'what is told of does not sign yet')
  await rotate(true)
  assert.equal(await fetch('c'), next)
  assert.equal(await fetch('a'), first, 'a token of before is still valid, and is kept')
})
