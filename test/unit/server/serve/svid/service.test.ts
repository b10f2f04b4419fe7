import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { writeCsr } from '../../../../../src/certs/csr/write.ts'
import { generateKey } from '../../../../../src/certs/keys.ts'
import { parseCertificate } from '../../../../../src/certs/parse.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { readJwtSvid } from '../../../../../src/spiffe/jwt-svid.ts'
import { bearer } from '../called.ts'
import { AGENT, createSetting, MINUTE, OTHER_AGENT, registered } from './setting.ts'

const { batchNewX509SVID, newJWTSVID, newDownstreamX509CA } = SVID.method
const csr = await writeCsr(await generateKey('ec-p256'))

test('newJWTSVID gives a token for the entry, as the entry says', async () => {
  const web = registered('/web', { jwtSvidTtlMs: MINUTE, jwtSvidIncludeJti: true, hint: 'in' })
  const { call, clock, audited } = await createSetting([web, registered('/db')])
  const now = clock.now()
  const { svid } = await call(newJWTSVID, { entryId: 'web', audience: ['x'] }, AGENT)
  const { spiffeId, expiresAt, claims } = readJwtSvid(svid!.token)
  assert.deepEqual([spiffeId, expiresAt, svid!.hint], [web.spiffeId, now + MINUTE, 'in'])
  assert.match(
    typeof claims['jti'] === 'string' ? claims['jti'] : '',
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
  const again = await call(newJWTSVID, { entryId: 'web', audience: ['x'] }, AGENT)
  assert.notEqual(readJwtSvid(again.svid!.token).claims['jti'], claims['jti'])
  const plain = await call(newJWTSVID, { entryId: 'db', audience: ['x'] }, AGENT)
  const token = readJwtSvid(plain.svid!.token)
  assert.deepEqual([token.expiresAt, token.claims['jti']], [now + 5 * MINUTE, undefined])
  const [line] = audited
  assert(line?.event === 'issued')
  assert.deepEqual([line.issued, line.entryId, line.entryRevision], ['jwt-svid', 'web', 3])
})

test('newJWTSVID: an entry of another agent is not found, and no audience is no request', async () => {
  const { call, audited } = await createSetting([registered('/web')])
  const refusals = [
    [
      { entryId: 'web', audience: ['x'] },
      OTHER_AGENT,
      status.NOT_FOUND,
      'entry not found or not authorized',
    ],
    [
      { entryId: '', audience: ['x'] },
      AGENT,
      status.NOT_FOUND,
      'entry not found or not authorized',
    ],
    [{ entryId: 'web' }, AGENT, status.INVALID_ARGUMENT, 'at least one audience is required'],
  ] as const
  for (const [request, peer, code, details] of refusals)
    await assert.rejects(call(newJWTSVID, request as never, peer), { code, details })
  assert.equal(audited.filter(({ event }) => event === 'denied').length, 2)
})

test('newDownstreamX509CA gives the server below a CA of the trust domain, and the bundle', async () => {
  const below = registered('/below', { downstream: true, x509SvidTtlMs: MINUTE })
  const { call, clock, x509, audited } = await createSetting([registered('/web'), below])
  const now = clock.now()
  const answer = await call(newDownstreamX509CA, { csr, preferredTtl: 7200 }, bearer('/below'))
  const [ca] = answer.caCertChain.map((der) => parseCertificate(der, 'the CA'))
  assert.deepEqual([ca?.uriSans, ca?.basicConstraints?.ca], [['spiffe://example.org'], true])
  assert.equal(ca?.notAfter, now + 120 * MINUTE)
  assert.deepEqual(
    answer.x509Authorities.map((der) => Buffer.from(der)),
    x509.state.current.anchors,
  )
  const unsaid = await call(newDownstreamX509CA, { csr }, bearer('/below'))
  assert.equal(parseCertificate(unsaid.caCertChain[0]!, 'the CA').notAfter, now + 60 * MINUTE)
  const [line] = audited
  assert(line?.event === 'issued')
  assert.deepEqual(
    [line.issued, line.spiffeId, line.entryId, line.serial],
    ['downstream-ca', 'spiffe://example.org', 'below', BigInt(`0x${ca?.serial}`).toString()],
  )
})

test('newDownstreamX509CA: who is called so by no entry any more, and a bad request, are refused', async () => {
  const { call } = await createSetting([registered('/below', { downstream: true })])
  await assert.rejects(call(newDownstreamX509CA, { csr }, bearer('/web')), {
    code: status.PERMISSION_DENIED,
    details: 'caller is not a downstream workload',
  })
  await assert.rejects(call(newDownstreamX509CA, {}, bearer('/below')), {
    code: status.INVALID_ARGUMENT,
    details: /^malformed CSR: /,
  })
})

test('an address that asks for more signatures than a second has waits; one that asks for more at once is refused', async () => {
  const { call, clock } = await createSetting([registered('/web')], { signingsPerSecond: 3 })
  const batch = (count: number, peer = AGENT) => {
    const params = Array.from({ length: count }, () => ({ entryId: 'web', csr }))
    return call(batchNewX509SVID, { params }, peer)
  }
  await assert.rejects(batch(4), {
    code: status.RESOURCE_EXHAUSTED,
    details:
      'rejecting request due to certificate signing rate limiting: rate (4) exceeds burst size (3)',
  })
  await batch(3)
  let answered = false
  const waiting = call(newJWTSVID, { entryId: 'web', audience: ['x'] }, AGENT).then(
    () => (answered = true),
  )
  await batch(3, bearer('/spire/agent/a', '192.0.2.2'))
  assert.equal(answered, false)
  await clock.advance(400)
  await waiting
})

test('an entry that the agent heard of from another server is served, as soon as the registry has it', async () => {
  const { call, audited } = await createSetting([registered('/web')], {}, [registered('/new')])
  const params = ['web', 'new'].map((entryId) => ({ entryId, csr }))
  const { results } = await call(batchNewX509SVID, { params }, AGENT)
  assert.deepEqual(
    results.map(({ status: of }) => of?.code),
    [status.OK, status.OK],
  )
  const other = await createSetting([], {}, [registered('/new')])
  await other.call(newJWTSVID, { entryId: 'new', audience: ['x'] }, AGENT)
  assert(audited.every(({ event }) => event === 'issued'))
})
