/** The rules of the Workload API that an agent keeps (spiffe-conformance, parts 8 and 9), on a real agent and a real socket. */
import assert from 'node:assert/strict'
import {
  X509Certificate,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
} from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  Health,
  HealthCheckResponse_ServingStatus,
} from '../../src/gen/grpc/health/v1/health_pb.js'
import { ServerReflection } from '../../src/gen/grpc/reflection/v1/reflection_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { status } from '../../src/runtime/grpc-status.ts'
import type { Agent, AgentSettings, EntrySettings } from '../e2e/rig/agent.ts'
import { bundleDocument, createPartner } from '../e2e/rig/partner.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, write } from '../e2e/rig/rig.ts'
import { createSdsClient } from '../e2e/rig/sds-client.ts'
import type { WorkloadTestClient } from '../e2e/rig/workload-client.ts'
import { createWorkloadTestClient } from '../e2e/rig/workload-client.ts'

const { method } = SpiffeWorkloadAPI
const ME = `unix:uid:${process.getuid?.()}`
const PARTNER = 'partner.test'
const NOBODY = 'unix:uid:4242'

const entry = (name: string, more: Partial<EntrySettings> = {}): EntrySettings => ({
  spiffeId: `spiffe://example.org/${name}`,
  selectors: [ME],
  ...more,
})

async function setUp(
  rig: Rig,
  settings: AgentSettings,
): Promise<{ readonly agent: Agent; readonly client: WorkloadTestClient }> {
  const agent = await rig.agent(settings)
  const client = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => client.close())
  return { agent, client }
}

/** The file of another trust domain's bundle. */
async function partnerBundle({ folder }: Rig): Promise<string> {
  const file = join(folder, 'partner.json')
  const { pem } = await createPartner(PARTNER)
  write(file, bundleDocument(PARTNER, pem))
  return file
}

test('T-WT-1, T-WW-6 every call needs the security header, once and exactly, registered or not', async (t) => {
  const { client } = await setUp(createRig(t), { entries: [entry('web')] })
  const wrong = [
    [],
    [['workload.spiffe.io', 'True']],
    [['workload.spiffe.io', 'false']],
    [['workload.spiffe.io', '']],
    [
      ['workload.spiffe.io', 'true'],
      ['workload.spiffe.io', 'true'],
    ],
  ] as const
  for (const headers of wrong) {
    for (const rpc of Object.values(method)) {
      const { code, details } =
        rpc.methodKind === 'unary'
          ? await client.call(rpc, {}, headers).then(
              () => assert.fail('it was answered'),
              (failure: { code: number; details: string }) => failure,
            )
          : await client.stream(rpc, {}, headers).status()
      assert.equal(code, status.INVALID_ARGUMENT, `${rpc.name} with ${JSON.stringify(headers)}`)
      assert.match(details, /workload\.spiffe\.io: true must be sent/)
    }
  }
})

test('T-WW-1 both calls of the WIT profile are unimplemented', async (t) => {
  const { client } = await setUp(createRig(t), { entries: [entry('web')] })
  for (const rpc of [method.fetchWITSVID, method.fetchWITBundles]) {
    const { code } = await client.stream(rpc).status()
    assert.equal(code, status.UNIMPLEMENTED)
  }
})

test('T-WT-2, T-WX-7 a caller without an entry is denied', async (t) => {
  const { client } = await setUp(createRig(t), { entries: [entry('web', { selectors: [NOBODY] })] })
  for (const rpc of [method.fetchX509SVID, method.fetchX509Bundles, method.fetchJWTBundles]) {
    const { code, details } = await client.stream(rpc).status()
    assert.equal(code, status.PERMISSION_DENIED)
    assert.equal(details, 'no_identity: no entry matches the calling process')
  }
})

test('T-WX-7 a caller without an entry reads the own bundle where the configuration lets it, here and over SDS', async (t) => {
  const rig = createRig(t)
  const { agent, client } = await setUp(rig, {
    entries: [entry('web', { selectors: [NOBODY], federatesWith: ['partner.test'] })],
    config: {
      workload: { unregisteredBundles: true },
      bundles: { 'partner.test': { file: await partnerBundle(rig) } },
    },
  })
  const { bundles } = await client.stream(method.fetchX509Bundles).next()
  assert.deepEqual(Object.keys(bundles), ['spiffe://example.org'])
  assert.equal((await client.stream(method.fetchX509SVID).status()).code, status.PERMISSION_DENIED)
  const sds = createSdsClient(agent.socket)
  rig.atEnd(() => sds.close())
  const names = ['ROOTCA', 'ALL', 'spiffe://example.org', 'spiffe://partner.test', 'default']
  const secrets = await sds.fetch(...names)
  assert.deepEqual(
    secrets.map(({ name }) => name),
    names.slice(0, 3),
  )
})

test('T-WX-1, T-WX-2, T-WX-3 identities with their hints, the default first, and keys that fit', async (t) => {
  const { client } = await setUp(createRig(t), {
    entries: [
      entry('inside', { hint: 'internal' }),
      entry('outside', { hint: 'external', default: true }),
    ],
  })
  const { svids, federatedBundles, crl } = await client.stream(method.fetchX509SVID).next()
  assert.deepEqual(
    svids.map(({ spiffeId, hint }) => [spiffeId, hint]),
    [
      ['spiffe://example.org/outside', 'external'],
      ['spiffe://example.org/inside', 'internal'],
    ],
  )
  assert.deepEqual([federatedBundles, crl], [{}, []])
  for (const { spiffeId, x509Svid, x509SvidKey, bundle } of svids) {
    const leaf = new X509Certificate(x509Svid)
    assert.equal(leaf.raw.length, x509Svid.length, 'leaf alone, and the root in the bundle')
    const root = new X509Certificate(bundle)
    assert.equal(root.raw.length, bundle.length)
    assert(leaf.verify(root.publicKey))
    assert.equal(leaf.subjectAltName, `URI:${spiffeId}`)
    const key = createPrivateKey({ key: Buffer.from(x509SvidKey), format: 'der', type: 'pkcs8' })
    const own = createPublicKey(key).export({ format: 'der', type: 'spki' })
    assert.deepEqual(own, leaf.publicKey.export({ format: 'der', type: 'spki' }))
  }
})

test('T-WT-6 a caller that loses its last entry is denied mid-stream, and no other stream hears of it', async (t) => {
  const { agent, client } = await setUp(createRig(t), { entries: [entry('web'), entry('api')] })
  const svids = client.stream(method.fetchX509SVID)
  const bundles = client.stream(method.fetchX509Bundles)
  assert.equal((await svids.next()).svids.length, 2)
  await bundles.next()
  agent.setEntries([entry('api')])
  const left = await svids.next(undefined, 1)
  assert.deepEqual(
    left.svids.map(({ spiffeId }) => spiffeId),
    ['spiffe://example.org/api'],
  )
  agent.setEntries([])
  assert.equal((await svids.status()).code, status.PERMISSION_DENIED)
  assert.equal((await bundles.status()).code, status.PERMISSION_DENIED)
  assert.deepEqual([svids.received.length, bundles.received.length], [2, 1])
})

const refusal = (answer: Promise<unknown>): Promise<{ code: number; details: string }> =>
  answer.then(
    () => assert.fail('it was answered'),
    (failure: { code: number; details: string }) => failure,
  )

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as never

test('T-WJ-1, T-WJ-2, T-WJ-3, T-WJ-4 JWT-SVIDs for an audience, of one identity or of all', async (t) => {
  const { client } = await setUp(createRig(t), {
    entries: [
      entry('web', { hint: 'a' }),
      entry('api', { hint: 'b', default: true }),
      entry('other', { selectors: [NOBODY] }),
    ],
  })
  const fetch = (spiffeId: string, ...audience: string[]) =>
    client.call(method.fetchJWTSVID, { spiffeId, audience })
  for (const audience of [[], [''], ['a', '']]) {
    const { code, details } = await refusal(fetch('', ...audience))
    assert.equal(code, status.INVALID_ARGUMENT)
    assert.match(details, /^request_invalid: audience must be given/)
  }
  for (const id of ['web', 'spiffe://Example.org/web', 'https://example.org/web'])
    assert.equal((await refusal(fetch(id, 'db'))).code, status.INVALID_ARGUMENT, id)
  for (const id of ['spiffe://example.org/other', 'spiffe://example.org/none', 'spiffe://td/web'])
    assert.equal((await refusal(fetch(id, 'db'))).code, status.PERMISSION_DENIED, id)

  const { svids } = await fetch('', 'db', 'cache')
  assert.deepEqual(
    svids.map(({ spiffeId, hint }) => [spiffeId, hint]),
    [
      ['spiffe://example.org/api', 'b'],
      ['spiffe://example.org/web', 'a'],
    ],
  )
  for (const { spiffeId, svid } of svids) {
    const { sub, aud } = claimsOf(svid)
    assert.deepEqual([sub, aud], [spiffeId, ['db', 'cache']])
  }
  const one = await fetch('spiffe://example.org/web', 'db')
  assert.deepEqual(
    one.svids.map(({ spiffeId, hint }) => [spiffeId, hint]),
    [['spiffe://example.org/web', 'a']],
  )
})

test('T-WJ-5 JWT bundles hold the keys for JWT-SVIDs alone, as a JWK set that every reader of RFC 7517 takes', async (t) => {
  const rig = createRig(t)
  const { pem } = await createPartner(PARTNER)
  const document = JSON.parse(bundleDocument(PARTNER, pem)) as { keys: object[] }
  const key = (kid: string, use: string): object => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return { ...publicKey.export({ format: 'jwk' }), kid, use }
  }
  document.keys.push(key('for jwt', 'jwt-svid'), key('for wit', 'wit-svid'))
  const file = join(rig.folder, 'partner.json')
  write(file, JSON.stringify(document))
  const { client } = await setUp(rig, {
    entries: [entry('web', { federatesWith: [PARTNER] })],
    config: { bundles: { [PARTNER]: { file } } },
  })
  const { bundles } = await client.stream(method.fetchJWTBundles).next()
  const sets = Object.entries(bundles).map(([id, bytes]) => {
    const { keys } = JSON.parse(Buffer.from(bytes).toString()) as {
      keys: Record<string, unknown>[]
    }
    return [id, keys] as const
  })
  assert.deepEqual(
    sets.map(([id]) => id),
    ['spiffe://example.org', 'spiffe://partner.test'],
  )
  for (const [id, keys] of sets) {
    assert.equal(keys.length, 1, id)
    for (const member of ['use', 'x5c', 'd']) assert.equal(keys[0]?.[member], undefined, member)
    assert.equal(typeof keys[0]?.['kid'], 'string')
  }
  assert.equal(sets[1]?.[1][0]?.['kid'], 'for jwt')
})

test('T-WJ-6, T-WJ-8 a JWT-SVID is validated with its claims, and what is missing is said', async (t) => {
  const { client } = await setUp(createRig(t), { entries: [entry('web')] })
  const { svids } = await client.call(method.fetchJWTSVID, { audience: ['db'] })
  const svid = svids[0]?.svid ?? ''
  const validate = (audience: string, token: string) =>
    client.call(method.validateJWTSVID, { audience, svid: token })
  const { spiffeId, claims } = await validate('db', svid)
  assert.equal(spiffeId, 'spiffe://example.org/web')
  const { sub, aud, exp } = claimsOf(svid)
  assert.deepEqual([claims?.['sub'], claims?.['aud'], claims?.['exp']], [sub, ['db'], exp])
  assert.deepEqual(aud, ['db'])
  for (const [audience, token, why] of [
    ['', svid, /audience must be given/],
    ['db', '', /svid must be given/],
    ['cache', svid, /JV-2/],
    ['db', `${svid}x`, /JV-4/],
    ['db', 'no token', /JV-4/],
  ] as const) {
    const { code, details } = await refusal(validate(audience, token))
    assert.equal(code, status.INVALID_ARGUMENT)
    assert.match(details, why)
    assert(token === '' || !details.includes(token), 'the token is not quoted')
  }
})

test('T-WT-10 reflection lists the Workload API beside what else is served; neither it nor health asks for the header', async (t) => {
  const { client } = await setUp(createRig(t), {})
  const { messageResponse } = await client.ask(ServerReflection.method.serverReflectionInfo, {
    messageRequest: { case: 'listServices', value: '*' },
  })
  assert.equal(messageResponse.case, 'listServicesResponse')
  assert.deepEqual(
    messageResponse.value.service.map(({ name }) => name),
    [
      'envoy.service.secret.v3.SecretDiscoveryService',
      'SpiffeWorkloadAPI',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ],
  )
  for (const service of ['', 'SpiffeWorkloadAPI']) {
    const answer = await client.call(Health.method.check, { service }, [])
    assert.equal(answer.status, HealthCheckResponse_ServingStatus.SERVING, service)
  }
})
