import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SVID } from '#spire/api/server/svid/v1/svid_pb.js'
import { writeCsr } from '../../../../../src/certs/csr/write.ts'
import { generateKey } from '../../../../../src/certs/keys.ts'
import { parseCertificate } from '../../../../../src/certs/parse.ts'
import { readJwtSvid } from '../../../../../src/spiffe/jwt-svid.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { LOCAL } from '../called.ts'
import { csrFor } from './csr.ts'
import { createSetting, MINUTE } from './setting.ts'

const { mintX509SVID, mintJWTSVID, mintWITSVID, batchNewWITSVID } = SVID.method

test('mintX509SVID gives what the request asks for, for as long as asked', async () => {
  const { call, clock, x509, audited } = await createSetting([])
  const uri = 'spiffe://example.org/ops/tool'
  const csr = await csrFor({ uris: [uri], dns: ['tool.test', '*.other.test'] })
  const now = clock.now()
  const { svid } = await call(mintX509SVID, { csr, ttl: 90 })
  const leaf = parseCertificate(svid!.certChain[0]!, 'the leaf')
  assert.equal(leaf.notAfter, now + 90_000)
  assert.equal(leaf.x509.subjectAltName, `DNS:tool.test, DNS:*.other.test, URI:${uri}`)
  assert.deepEqual(
    { ...svid!.id, $typeName: undefined },
    {
      $typeName: undefined,
      trustDomain: 'example.org',
      path: '/ops/tool',
    },
  )
  assert.equal(svid!.expiresAt, BigInt(leaf.notAfter / 1000))
  assert.deepEqual(audited, [
    {
      event: 'issued',
      caller: { kind: 'local', uid: 0, pid: 1 },
      method: '/spire.api.server.svid.v1.SVID/MintX509SVID',
      issued: 'x509-svid',
      spiffeId: uri,
      serial: BigInt(`0x${leaf.serial}`).toString(),
      authorityId: x509.state.current.slots[0]?.authorityId,
      expiresAt: leaf.notAfter,
    },
  ])
  for (const [ttl, expected] of [
    [0, 60 * MINUTE],
    [-1, 60 * MINUTE],
    [2 ** 31 - 1, 24 * 60 * MINUTE],
  ] as const) {
    const more = await call(mintX509SVID, { csr, ttl })
    assert.equal(Number(more.svid!.expiresAt) * 1000 - now, expected)
  }
})

test('mintX509SVID says in SPIRE’s words what a request lacks', async () => {
  const { call, audited } = await createSetting([])
  const own = ['spiffe://example.org/a']
  const good = await csrFor({ uris: own })
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [Buffer.alloc(0), /^missing CSR$/],
    [Buffer.from('none'), /^malformed CSR: /],
    [good.with(good.length - 1, good.at(-1)! ^ 1), /^failed to verify CSR signature: /],
    [await csrFor({}), /^CSR URI SAN is required$/],
    [await csrFor({ uris: [...own, 'spiffe://example.org/b'] }), /^only one URI SAN is expected$/],
    [await csrFor({ uris: ['https://example.org/'] }), /^CSR URI SAN is invalid: /],
    [
      await csrFor({ uris: ['spiffe://other.org/a'] }),
      /^CSR URI SAN is invalid: "spiffe:\/\/other.org\/a" is not a member of trust domain "example.org"$/,
    ],
    [await csrFor({ uris: ['spiffe://example.org'] }), /^CSR URI SAN is invalid: .*path is empty$/],
    [
      await csrFor({ uris: ['spiffe://example.org/spire/agent/a'] }),
      /^CSR URI SAN is invalid: .*path is in the reserved namespace$/,
    ],
    [await csrFor({ uris: own, dns: ['a..b'] }), /^CSR DNS name is invalid: /],
    ...(await Promise.all(
      [
        ['*.a.test', 'x.a.test'],
        ['*.A.test', 'x.a.TEST'],
      ].map(
        async (dns) =>
          [
            await csrFor({ uris: own, dns }),
            /^CSR DNS name contains a wildcard that covers another non-wildcard name$/,
          ] as const,
      ),
    )),
  ]
  for (const [csr, details] of cases)
    await assert.rejects(call(mintX509SVID, { csr }), {
      code: status.INVALID_ARGUMENT,
      details,
    })
  assert.deepEqual(audited, [])
  await call(mintX509SVID, {
    csr: await csrFor({ uris: own, dns: ['*.a.test', 'x.y.a.test', 'my_db'] }),
  })
})

test('mintJWTSVID gives a token for these audiences, for as long as asked', async () => {
  const { call, clock, jwt, audited } = await createSetting([])
  const id = { trustDomain: 'example.org', path: '/ops' }
  const now = clock.now()
  const { svid } = await call(mintJWTSVID, { id, audience: ['', 'a', 'b'], ttl: 30 })
  const token = readJwtSvid(svid!.token)
  assert.deepEqual(
    [token.spiffeId, token.audience, token.expiresAt, token.claims['jti']],
    ['spiffe://example.org/ops', ['a', 'b'], now + 30_000, undefined],
  )
  assert.deepEqual([svid!.issuedAt, svid!.expiresAt], [BigInt(now / 1000), BigInt(now / 1000 + 30)])
  const [line] = audited
  assert(line?.event === 'issued')
  assert.equal(line.authorityId, jwt.state.current.slots[0]?.authorityId)
  assert(!JSON.stringify(audited, (_, each: unknown) => each).includes(svid!.token))
  const unsaid = await call(mintJWTSVID, { id, audience: ['a'] })
  assert.equal(readJwtSvid(unsaid.svid!.token).expiresAt, now + 5 * MINUTE)
})

test('mintJWTSVID says in SPIRE’s words what is missing', async () => {
  const { call } = await createSetting([])
  const ofPath = (path: string, trustDomain = 'example.org') => ({ trustDomain, path })
  const cases = [
    [{ audience: ['a'] }, /^invalid SPIFFE ID: request must specify SPIFFE ID$/],
    [{ id: ofPath('/a') }, /^at least one audience is required$/],
    [{ id: ofPath('/a'), audience: ['', ''] }, /^at least one audience is required$/],
    [{ id: ofPath('/a'), audience: ['a'.repeat(100_000)] }, /^failed to sign JWT-SVID: .*too long/],
    [{ id: ofPath('/a', 'other.org'), audience: ['a'] }, /^invalid SPIFFE ID: .* not a member/],
    [{ id: ofPath(''), audience: ['a'] }, /^invalid SPIFFE ID: .*path is empty$/],
    [{ id: ofPath('/spire/server'), audience: ['a'] }, /^invalid SPIFFE ID: .*reserved namespace$/],
  ] as const
  for (const [request, details] of cases)
    await assert.rejects(call(mintJWTSVID, request as never), {
      code: status.INVALID_ARGUMENT,
      details,
    })
})

test('WIT-SVIDs are not offered', async () => {
  const { call, faults } = await createSetting([])
  await assert.rejects(call(mintWITSVID, {}), { code: status.UNIMPLEMENTED })
  await assert.rejects(call(batchNewWITSVID, {}, LOCAL), { code: status.UNIMPLEMENTED })
  assert.deepEqual(faults, [])
})

test('operators are not held back by the limit of signatures', async () => {
  const { call } = await createSetting([], { signingsPerSecond: 1 })
  const csr = await writeCsr(await generateKey('ec-p256'), {
    spiffeId: 'spiffe://example.org/a' as never,
  })
  await call(mintX509SVID, { csr })
  await call(mintX509SVID, { csr })
})
