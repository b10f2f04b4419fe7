import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { writeCsr } from '../../../../../src/certs/csr/write.ts'
import { generateKey } from '../../../../../src/certs/keys.ts'
import { parseCertificate, verifyX509Svid } from '../../../../../src/certs/parse.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { LOCAL } from '../called.ts'
import { AGENT, createSetting, MINUTE, OTHER_AGENT, registered } from './setting.ts'

const { batchNewX509SVID } = SVID.method
const key = await generateKey('ec-p256')
const csr = await writeCsr(key)

test('batchNewX509SVID signs for the entries of the agent, as each of them says', async () => {
  const web = registered('/web', { dnsNames: ['web.test'], x509SvidTtlMs: 10 * MINUTE, hint: 'in' })
  const { call, clock, x509, audited } = await createSetting([web, registered('/db')])
  const params = [
    { entryId: 'web', csr },
    { entryId: 'db', csr },
  ]
  const { results } = await call(batchNewX509SVID, { params }, AGENT)
  assert.deepEqual(
    results.map((each) => [each.status?.code, each.status?.message, each.svid?.id?.path]),
    [
      [status.OK, 'OK', '/web'],
      [status.OK, 'OK', '/db'],
    ],
  )
  const anchors = new Map([[web.spiffeId.slice(9, 20) as never, x509.state.current.anchors]])
  const [first, second] = results.map((each) => each.svid!)
  const leaf = parseCertificate(first!.certChain[0]!, 'the leaf')
  const now = clock.now()
  assert.equal(verifyX509Svid(first!.certChain, anchors, { now, mode: 'strict' }), web.spiffeId)
  assert.deepEqual(leaf.spki, key.spki)
  assert.deepEqual(leaf.x509.subjectAltName, 'DNS:web.test, URI:spiffe://example.org/web')
  assert.equal(leaf.notAfter, now + 10 * MINUTE)
  assert.equal(first!.expiresAt, BigInt(leaf.notAfter / 1000))
  assert.equal(first!.hint, 'in')
  assert.equal(second!.expiresAt, BigInt(now / 1000 + 3600))
  assert.deepEqual(audited[0], {
    event: 'issued',
    caller: {
      kind: 'svid',
      spiffeId: 'spiffe://example.org/spire/agent/a',
      serial: '77',
      address: '192.0.2.1',
    },
    method: '/spire.api.server.svid.v1.SVID/BatchNewX509SVID',
    issued: 'x509-svid',
    spiffeId: web.spiffeId,
    serial: BigInt(`0x${leaf.serial}`).toString(),
    authorityId: x509.state.current.slots[0]?.authorityId,
    expiresAt: leaf.notAfter,
    entryId: 'web',
    entryRevision: 3,
  })
  assert.equal(audited.length, 2)
})

test('batchNewX509SVID answers each of 500, of which three are refused, in their order', async () => {
  const bad = csr.with(csr.length - 1, csr.at(-1)! ^ 1)
  const entries = Array.from({ length: 500 }, (_, at) => registered(`/w${at}`))
  const now = Date.UTC(2030, 0, 1)
  const clock = { ...createManualClock({ now }), monotonic: () => performance.now() }
  const { call, audited } = await createSetting(entries, { clock })
  const params = entries.map(({ id: entryId }) => ({ entryId: String(entryId), csr }))
  params[7] = { entryId: 'unknown', csr }
  params[250] = { entryId: 'w250', csr: Buffer.from('no CSR') }
  params[499] = { entryId: 'w499', csr: Buffer.from(bad) }
  let turns = 0
  const turning = setInterval(() => turns++, 0)
  const { results } = await call(batchNewX509SVID, { params }, AGENT)
  clearInterval(turning)
  assert.equal(results.length, 500)
  const refused = results.flatMap((each, at) =>
    each.svid === undefined ? [[at, each.status?.code, each.status?.message] as const] : [],
  )
  assert.deepEqual(refused[0], [7, status.NOT_FOUND, 'entry not found or not authorized'])
  assert.deepEqual(refused[1]?.slice(0, 2), [250, status.INVALID_ARGUMENT])
  assert.match(refused[1]?.[2] ?? '', /^malformed CSR: /)
  assert.deepEqual(refused[2]?.slice(0, 2), [499, status.INVALID_ARGUMENT])
  assert.match(refused[2]?.[2] ?? '', /^invalid CSR signature: /)
  assert.equal(refused.length, 3)
  const serials = results.flatMap(({ svid }) =>
    svid === undefined ? [] : [parseCertificate(svid.certChain[0]!, 'a leaf').serial],
  )
  assert.equal(new Set(serials).size, 497)
  for (const [at, { svid }] of results.entries())
    if (svid !== undefined) assert.equal(svid.id?.path, `/w${at}`)
  assert.equal(audited.filter(({ event }) => event === 'issued').length, 497)
  // The event loop was not held throughout.
  assert(turns >= 3, `${turns} turns`)
})

test('batchNewX509SVID: what is missing is said of the item, and no items of the call', async () => {
  const { call } = await createSetting([registered('/web')])
  const params = [{ csr }, { entryId: 'web' }]
  const { results } = await call(batchNewX509SVID, { params }, AGENT)
  assert.deepEqual(
    results.map((each) => [each.status?.code, each.status?.message]),
    [
      [status.INVALID_ARGUMENT, 'missing entry ID'],
      [status.INVALID_ARGUMENT, 'missing CSR'],
    ],
  )
  await assert.rejects(call(batchNewX509SVID, {}, AGENT), {
    code: status.INVALID_ARGUMENT,
    details: 'missing parameters',
  })
})

test("batchNewX509SVID: another agent's entry, one that has expired and one asked for without an SVID are not found", async () => {
  const { call, clock, audited } = await createSetting([
    registered('/web'),
    registered('/old', { expiresAt: Date.UTC(2030, 0, 1) + 1000 }),
  ])
  const codes = async (entryId: string, peer: typeof AGENT) =>
    (await call(batchNewX509SVID, { params: [{ entryId, csr }] }, peer)).results.map(
      (each) => each.status?.code,
    )
  assert.deepEqual(await codes('old', AGENT), [status.OK])
  clock.jump(1000)
  for (const [entryId, peer] of [
    ['old', AGENT],
    ['web', OTHER_AGENT],
    ['web', LOCAL],
    ['', OTHER_AGENT],
  ] as const)
    assert.notDeepEqual(await codes(entryId, peer), [status.OK], entryId)
  const denied = audited.filter(({ event }) => event === 'denied')
  assert.deepEqual(
    denied.map((each) => 'detail' in each && each.detail),
    ['old', 'web', 'web'],
  )
})

test('batchNewX509SVID: an authority that cannot sign is told of each item', async () => {
  const { call, x509, faults } = await createSetting([registered('/web')])
  await x509.close()
  const { results } = await call(batchNewX509SVID, { params: [{ entryId: 'web', csr }] }, AGENT)
  assert.equal(results[0]?.status?.code, status.UNAVAILABLE)
  assert.match(results[0]?.status?.message ?? '', /^failed to sign X509-SVID: .*closed/)
  assert.deepEqual(faults, [])
})
