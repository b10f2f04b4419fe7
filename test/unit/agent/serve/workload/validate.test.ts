// WJ-9 of docs/conformance.md.
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import type { Bundle } from '../../../../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../../../../src/spiffe/spiffe-id.ts'
import { settle } from '../../../../fakes/clock.ts'
import { entry } from '../../obtain/setting.ts'
import { OWN, bundlesOf } from '../setting.ts'
import { PARTNER, setUp } from './setting.ts'

const WEB = entry('web')
const FRIEND = entry('friend', { federatesWith: [PARTNER] })

/** A trust domain that signs tokens, made without the code that is under test. */
function signer(trustDomain: TrustDomain) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const kid = `key of ${trustDomain}`
  const bundle: Bundle = {
    trustDomain,
    x509Authorities: [Buffer.from('root')],
    jwtAuthorities: [{ ...publicKey.export({ format: 'jwk' }), use: 'jwt-svid', kid }],
  }
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = (claims: object): string => {
    const said = `${part({ alg: 'ES256', kid, typ: 'JWT' })}.${part(claims)}`
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${said}.${sign('sha256', Buffer.from(said), key).toString('base64url')}`
  }
  return { bundle, token }
}

const own = signer(OWN)
const partner = signer(PARTNER)
/** Beyond the clock of the setting. */
const exp = Date.UTC(2040, 0, 1) / 1000
const claims = { sub: 'spiffe://example.org/web', aud: 'db', exp }
const foreign = {
  sub: 'spiffe://partner.test/pay',
  aud: ['db'],
  exp,
  iss: 'x',
  role: 'admin',
  a: [1],
}

function ready(change: Parameters<typeof setUp>[0] = {}) {
  const setting = setUp(change)
  setting.bundles.set(bundlesOf(own.bundle, partner.bundle))
  return setting
}

test('ValidateJWTSVID gives all claims of the own trust domain, with aud as a list', async () => {
  const { caller, validate, events } = ready()
  caller.matches(WEB)
  const more = { ...claims, iat: 5, nested: { deep: [true, null, 'x'] }, ['__proto__']: 'odd' }
  const { spiffeId, claims: told } = await validate('db', own.token(more))
  assert.equal(spiffeId, 'spiffe://example.org/web')
  assert.deepEqual(
    new Map(Object.entries(told ?? {})),
    new Map(Object.entries({ ...more, aud: ['db'] })),
  )
  assert.deepEqual(events, ['answered ValidateJWTSVID'])
})

test('ValidateJWTSVID tells of tokens of other trust domains only what the configuration names', async () => {
  const some = ready({ foreignJwtClaims: ['role'] })
  some.caller.matches(FRIEND)
  const { sub, aud, role } = foreign
  const told = await some.validate('db', partner.token(foreign))
  assert.equal(told.spiffeId, sub)
  assert.deepEqual(told.claims, { sub, aud, exp, role })
  const none = ready()
  none.caller.matches(FRIEND)
  assert.deepEqual((await none.validate('db', partner.token(foreign))).claims, { sub, aud, exp })
})

test('T-WJ-7 ValidateJWTSVID refuses tokens of trust domains that no entry of the caller federates with', async () => {
  const { caller, validate } = ready()
  caller.matches(WEB)
  await assert.rejects(validate('db', partner.token(foreign)), {
    code: status.INVALID_ARGUMENT,
    details: /its key is not one of those known of partner\.test/,
  })
})

test('ValidateJWTSVID refuses what does not hold, and never quotes the token', async () => {
  const { caller, validate } = ready()
  caller.matches(FRIEND)
  const good = own.token(claims)
  const wit = own.token({ ...claims, cnf: { jwk: {} } }).split('.')
  wit[0] = Buffer.from('{"alg":"ES256","kid":"key of example.org","typ":"wit+jwt"}').toString(
    'base64url',
  )
  for (const [audience, token] of [
    ['other', good],
    ['db', own.token({ ...claims, exp: 5 })],
    ['db', own.token({ ...claims, sub: 'spiffe://partner.test/pay' })],
    ['db', good.replace(/.....$/, 'AAAAA')],
    ['db', wit.join('.')],
    ['db', 'x'],
  ] as const) {
    const failure = await validate(audience, token).then(
      () => assert.fail('it holds'),
      (thrown: { code: number; details: string }) => thrown,
    )
    assert.equal(failure.code, status.INVALID_ARGUMENT)
    for (const part of token.split('.'))
      assert(part.length < 10 || !failure.details.includes(part), failure.details)
  }
  await assert.rejects(validate('', good), { code: status.INVALID_ARGUMENT })
  await assert.rejects(validate('db', ''), { code: status.INVALID_ARGUMENT })
})

test('ValidateJWTSVID is for callers with an entry, unless the configuration says otherwise, and then for the own trust domain', async () => {
  const closed = ready()
  closed.caller.matches()
  await assert.rejects(closed.validate('db', own.token(claims)), { code: status.PERMISSION_DENIED })
  const open = ready({ unregisteredBundles: true })
  open.caller.matches()
  assert.equal((await open.validate('db', own.token(claims))).spiffeId, claims.sub)
  await assert.rejects(open.validate('db', partner.token(foreign)), {
    code: status.INVALID_ARGUMENT,
  })
})

test('ValidateJWTSVID waits for an entry that may bring the bundle, and for nothing where it is there', async () => {
  const { caller, validate, clock } = ready()
  caller.mayMatch([WEB], [WEB, FRIEND])
  assert.equal((await validate('db', own.token(claims))).spiffeId, claims.sub)
  await assert.rejects(validate('other', own.token(claims)), { code: status.INVALID_ARGUMENT })
  await assert.rejects(validate('db', 'x'), { code: status.INVALID_ARGUMENT })
  assert.equal(clock.pending, 0)
  const waiting = validate('db', partner.token(foreign))
  await settle()
  caller.matches(WEB, FRIEND)
  assert.equal((await waiting).spiffeId, foreign.sub)
  caller.mayMatch([WEB], [WEB, FRIEND])
  const never = validate('db', partner.token(foreign))
  never.catch(() => undefined)
  await clock.advance(5_000)
  await assert.rejects(never, { code: status.UNAVAILABLE })
})
