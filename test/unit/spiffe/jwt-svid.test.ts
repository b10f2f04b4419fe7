import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpindleError } from '../../../src/runtime/errors.ts'
import {
  algorithmOfKey,
  checkedAudience,
  checkJwtSvid,
  jwtSvidPayload,
  mayVerify,
  readJwtSvid,
} from '../../../src/spiffe/jwt-svid.ts'
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts'

const spiffeId = parseSpiffeId('spiffe://example.org/a')
const HEADER = '{"alg":"ES256","kid":"k"}'
const CLAIMS = '{"sub":"spiffe://example.org/a","aud":"a","exp":10}'

const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url')
/** Not signed by anyone: that is not looked at here. */
const token = (claims: string | Buffer = CLAIMS, header: string | Buffer = HEADER): string =>
  `${base64url(header)}.${base64url(claims)}.c2lnbmF0dXJl`

const refused = (text: string, message: RegExp): void =>
  assert.throws(
    () => readJwtSvid(text),
    (thrown) => {
      assert(thrown instanceof SpindleError && thrown.code === 'jwt_svid_invalid', String(thrown))
      assert.match(thrown.message, message)
      return true
    },
  )

test('readJwtSvid reads header and claims, instants in milliseconds, and aud as a list', () => {
  assert.deepEqual(readJwtSvid(token()), {
    algorithm: 'ES256',
    keyId: 'k',
    spiffeId,
    audience: ['a'],
    expiresAt: 10_000,
    claims: { sub: spiffeId, aud: ['a'], exp: 10 },
  })
  const more = CLAIMS.replace('}', ',"nbf":1.5,"iat":1e0}')
  const { notBefore, claims } = readJwtSvid(token(more))
  assert.deepEqual([notBefore, claims['nbf'], claims['iat']], [1_500, 1.5, 1])
})

test('readJwtSvid gives every claim as JSON has it, and no name has a meaning of its own', () => {
  const claims = CLAIMS.replace(
    '}',
    ',"groups":["x",{"y":[null,true,-1.5]}],"__proto__":{"admin":true},"big":12345678901234567890}',
  )
  const read = readJwtSvid(token(claims)).claims
  assert.deepEqual(read['groups'], ['x', { y: [null, true, -1.5] }])
  assert.equal(read['big'], Number('12345678901234567890'))
  assert.deepEqual(Object.getOwnPropertyDescriptor(read, '__proto__')?.value, { admin: true })
  assert.equal((read as { admin?: unknown }).admin, undefined)
})

test('readJwtSvid refuses a name that is given twice, which another reader would read otherwise', () => {
  refused(token(CLAIMS.replace('}', ',"sub":"spiffe://example.org/b"}')), /payload.*twice/)
  refused(token(CLAIMS, HEADER.replace('}', ',"alg":"none"}')), /header.*twice/)
})

test('readJwtSvid refuses what is no JSON object in UTF-8', () => {
  for (const text of ['', '[]', '"a"', 'null', '1', '{', `${CLAIMS} {}`, `\ufeff${CLAIMS}`]) {
    refused(token(text), /payload/)
    refused(token(CLAIMS, text), /header/)
  }
  refused(token(Buffer.from(CLAIMS.replace('"a"', '"\xff"'), 'latin1')), /payload.*UTF-8/)
  refused(token(CLAIMS.replace('"a"', '"\\ud800"')), /payload.*surrogate/)
  refused(token(`{"x":${'['.repeat(40)}${']'.repeat(40)}}`), /nested deeper/)
})

test('readJwtSvid looks at no more of a token than 64 KiB', () => {
  const claims = (length: number) => CLAIMS.replace('}', `,"x":"${'x'.repeat(length)}"}`)
  const longest = 64 * 1024
  const fits = token(claims(48_900))
  assert.ok(fits.length < longest && fits.length > longest - 300, String(fits.length))
  readJwtSvid(fits)
  refused(token(claims(49_200)), /longer than 65536 bytes/)
})

test('readJwtSvid refuses instants that are no numbers, or none that a clock could show', () => {
  for (const value of ['"10"', 'null', '[10]', '1e999']) {
    refused(token(CLAIMS.replace('10', value)), /JV-3/)
    for (const name of ['nbf', 'iat'])
      refused(token(CLAIMS.replace('}', `,"${name}":${value}}`)), /JV-11/)
  }
})

test('readJwtSvid refuses a signature that is missing or is not base64url', () => {
  const [head, body] = token().split('.')
  for (const signature of ['', '=', 'a', 'ab+/', 'ab=='])
    refused(`${head}.${body}.${signature}`, /JV-4.*signature/)
})

test('checkJwtSvid takes audience and time, with a minute for clocks', () => {
  const svid = readJwtSvid(token(CLAIMS.replace('10', '1000,"nbf":500')))
  const at = (now: number, audience = 'a') => checkJwtSvid(svid, { audience, now })
  at(500_000 - 60_000)
  at(1_060_000 - 1)
  assert.throws(() => at(500_000 - 60_001), /JV-11/)
  assert.throws(() => at(1_060_000), /JV-3/)
  assert.throws(() => at(600_000, 'A'), /JV-2/)
  assert.throws(() => at(600_000, ''), /JV-2/)
})

test('jwtSvidPayload cuts instants to whole seconds, and names each audience once', () => {
  const audience = ['b', 'a', 'b']
  const content = { spiffeId, audience, issuedAt: 1_999, expiresAt: 61_999 }
  assert.deepEqual(JSON.parse(jwtSvidPayload(content)), {
    sub: spiffeId,
    aud: ['b', 'a'],
    exp: 61,
    iat: 1,
  })
})

test('jwtSvidPayload makes no token that readJwtSvid would not read', () => {
  const of = (length: number): string =>
    jwtSvidPayload({ spiffeId, audience: ['x'.repeat(length)], issuedAt: 0, expiresAt: 1 })
  readJwtSvid(token(of(47_000)))
  assert.throws(() => of(50_000), { code: 'request_invalid' })
  // Escapes count as they are written.
  assert.throws(
    () =>
      jwtSvidPayload({ spiffeId, audience: ['\u0001'.repeat(9_000)], issuedAt: 0, expiresAt: 1 }),
    { code: 'request_invalid' },
  )
})

test('checkedAudience refuses what is no text', () => {
  for (const audience of [[], [''], ['a', ''], ['\ud800']])
    assert.throws(() => checkedAudience(audience), { code: 'request_invalid' })
})

test('algorithmOfKey has one for each kind of key, and none for others', () => {
  const of = (kty: string, crv?: string) =>
    algorithmOfKey({ kty, ...(crv !== undefined && { crv }) })
  assert.deepEqual(
    [of('EC', 'P-256'), of('EC', 'P-384'), of('EC', 'P-521'), of('RSA')],
    ['ES256', 'ES384', 'ES512', 'RS256'],
  )
  for (const key of [of('EC', 'secp256k1'), of('EC'), of('OKP', 'Ed25519'), of('oct'), of('AKP')])
    assert.equal(key, undefined)
})

test('mayVerify lets a key verify what it could have signed, and nothing that its alg excludes', () => {
  const rsa = { use: 'jwt-svid', kty: 'RSA' }
  for (const algorithm of ['RS256', 'RS512', 'PS384'] as const) assert.ok(mayVerify(rsa, algorithm))
  assert.ok(!mayVerify(rsa, 'ES256'))
  assert.ok(!mayVerify({ ...rsa, alg: 'RS256' }, 'PS256'))
  assert.ok(!mayVerify({ use: 'jwt-svid', kty: 'EC', crv: 'P-256' }, 'ES384'))
})
