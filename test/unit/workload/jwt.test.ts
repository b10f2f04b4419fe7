import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import {
  JWTBundlesResponseSchema,
  JWTSVIDResponseSchema,
  ValidateJWTSVIDResponseSchema,
} from '../../../src/gen/spiffe/workload/workload_pb.js'
import { readJwtBundles, readJwts, readValidated } from '../../../src/workload/jwt.ts'

const NOW = Date.UTC(2030, 0, 1)
const SPIFFE_ID = 'spiffe://example.org/web'

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function token(claims: Record<string, unknown> = {}): string {
  const content = { sub: SPIFFE_ID, aud: ['a', 'b'], exp: NOW / 1000 + 300, ...claims }
  return [part({ alg: 'ES256', kid: 'k', typ: 'JWT' }), part(content), part('signature')].join('.')
}

const read = (...svids: { spiffeId?: string; svid?: string; hint?: string }[]) =>
  readJwts(create(JWTSVIDResponseSchema, { svids }), { audience: ['a'], now: NOW })

test('readJwts() says what each token is for, and until when', () => {
  const svid = token()
  const { svids } = read({ spiffeId: SPIFFE_ID, svid, hint: 'x' })
  assert.equal(svids[0].token, svid)
  assert.equal(svids[0].spiffeId, SPIFFE_ID)
  assert.equal(svids[0].expiresAt, NOW + 300_000)
  assert.deepEqual(svids[0].audience, ['a', 'b'])
})

test('readJwts() discards what is not the token that was asked for, and never quotes it', () => {
  const cases = [
    [{}, /JWT-SVID/],
    [{ spiffeId: SPIFFE_ID }, /JWT-SVID/],
    [{ svid: token() }, /not of the SPIFFE ID/],
    [{ spiffeId: 'spiffe://example.org/db', svid: token() }, /not of the SPIFFE ID/],
    [{ spiffeId: SPIFFE_ID, svid: token({ aud: ['b'] }) }, /audience/],
    [{ spiffeId: SPIFFE_ID, svid: token({ exp: NOW / 1000 - 61 }) }, /expired/],
    [{ spiffeId: SPIFFE_ID, svid: `${token()}.` }, /three parts/],
  ] as const
  for (const [svid, fault] of cases)
    assert.throws(
      () => read(svid),
      (thrown: Error & { code?: string }) => {
        assert.equal(thrown.code, 'agent_failed')
        assert.match(thrown.message, fault)
        return !thrown.message.includes(token().slice(0, 16))
      },
    )
  assert.throws(() => read(), { code: 'agent_failed', message: /no SVID/ })
})

test('readJwts() gives a hint that occurs twice to the first', () => {
  const svid = { spiffeId: SPIFFE_ID, svid: token(), hint: 'x' }
  const { svids, notes } = read(svid, svid)
  assert.equal(svids.length, 1)
  assert.equal(notes.length, 1)
})

const key = (more: object) => ({
  kty: 'EC',
  crv: 'P-256',
  x: Buffer.alloc(32, 1).toString('base64url'),
  y: Buffer.alloc(32, 2).toString('base64url'),
  kid: 'k',
  ...more,
})

const readBundles = (bundles: Record<string, unknown>) =>
  readJwtBundles(
    create(JWTBundlesResponseSchema, {
      bundles: Object.fromEntries(
        Object.entries(bundles).map(([id, value]) => [
          id,
          value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value)),
        ]),
      ),
    }),
  )

test('readJwtBundles() takes keys without use, as SPIRE has them, and passes over those of another', () => {
  const { bundles, notes } = readBundles({
    'spiffe://example.org': {
      keys: [key({}), key({ kid: 'l', use: 'jwt-svid' }), key({ kid: 'm', use: 'wit-svid' })],
    },
    'spiffe://empty.org': { keys: [] },
    'spiffe://redacted.org': new Uint8Array(),
  })
  assert.deepEqual([...bundles.keys()], ['example.org', 'empty.org'])
  assert.deepEqual(
    bundles.get('example.org' as never)?.map(({ kid, use }) => [kid, use]),
    [
      ['k', 'jwt-svid'],
      ['l', 'jwt-svid'],
    ],
  )
  assert.equal(notes.length, 1)
})

test('readJwtBundles() discards what is no map of JWK Sets', () => {
  for (const bundles of [
    {},
    { 'example.org': { keys: [] } },
    { 'spiffe://example.org/': { keys: [] } },
    { 'spiffe://example.org': {} },
    { 'spiffe://example.org': [] },
    { 'spiffe://example.org': Buffer.of(0xff) },
  ])
    assert.throws(() => readBundles(bundles), { code: 'agent_failed' }, JSON.stringify(bundles))
})

test('readValidated() wants the SPIFFE ID of a workload, and claims', () => {
  const claims = { sub: SPIFFE_ID, aud: ['a'], exp: 1 }
  const read = (init: object) => readValidated(create(ValidateJWTSVIDResponseSchema, init))
  assert.deepEqual(read({ spiffeId: SPIFFE_ID, claims }), { spiffeId: SPIFFE_ID, claims })
  for (const init of [{}, { spiffeId: SPIFFE_ID }, { spiffeId: 'spiffe://example.org', claims }])
    assert.throws(() => read(init), { code: 'agent_failed' })
})
