/** The vectors of JWT-SVIDs that are issued and verified (spiffe-conformance, parts 5 and 6). */
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { createReporter } from '../../src/agent/reporter.ts'
import { createJwtSvids } from '../../src/agent/obtain/jwt-svids.ts'
import { createJwtSlotStore } from '../../src/authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../src/authority/jwt/jwt-slots.ts'
import type { JwtAuthorityOptions } from '../../src/authority/jwt/jwt-slots.ts'
import type { JwtRequest } from '../../src/authority/jwt/jwt-authority.ts'
import { readKeyPem } from '../../src/certs/keys.ts'
import { readAgentConfig } from '../../src/config/agent-config.ts'
import { jwtVerificationKey } from '../../src/jwt/keys.ts'
import { ERRORS, SpindleError } from '../../src/runtime/errors.ts'
import { status } from '../../src/runtime/grpc-status.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createSeldom } from '../../src/telemetry/seldom.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { createStateFile } from '../fakes/state-file.ts'
import { createTokenKey, tokenOf } from '../fakes/token.ts'
import { entry } from '../unit/agent/obtain/setting.ts'
import {
  bundleOf,
  claims,
  clock,
  key,
  refused,
  seconds,
  signed,
  spiffeId,
  verify,
} from './jwt-svid-token.ts'

const MINUTE = 60_000
const trustDomain = parseTrustDomain('example.org')

const authorityOf = (more: Partial<JwtAuthorityOptions> = {}) =>
  createJwtAuthority({
    trustDomain,
    keyType: 'ec-p256',
    keyTtlMs: 60 * MINUTE,
    clock,
    random: createSeededRandom('vectors'),
    store: createJwtSlotStore(createStateFile(), trustDomain),
    ...more,
  })
const request: JwtRequest = { spiffeId, audience: ['reports'], ttlMs: 5 * MINUTE }

const json = (part: string | undefined): unknown =>
  JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
const read = (token: string) => {
  const [head, body] = token.split('.')
  return { header: json(head), claims: json(body) }
}

test('T-JI-1 a token has the headers alg, kid and typ, and the claims sub, aud, exp and iat', async () => {
  const authority = await authorityOf()
  const { token, authorityId } = await authority.issue(request)
  assert.deepEqual(read(token), {
    header: { alg: 'ES256', kid: authorityId, typ: 'JWT' },
    claims: { sub: spiffeId, aud: ['reports'], exp: seconds + 300, iat: seconds },
  })
  const published = authority.state.current.keys.find((key) => key['kid'] === authorityId)
  assert.equal(published?.['use'], 'jwt-svid')
  await authority.close()
})

test('T-JI-2 no audience, or an empty one, is an invalid argument', async () => {
  const authority = await authorityOf()
  const svids = createJwtSvids({ authority, clock, ttlMs: MINUTE })
  for (const audience of [[], ['']])
    for (const asked of [
      authority.issue({ ...request, audience }),
      svids.fetch(entry('a'), audience),
    ])
      await assert.rejects(
        asked,
        (thrown) =>
          thrown instanceof SpindleError && ERRORS[thrown.code].grpc === status.INVALID_ARGUMENT,
      )
  await authority.close()
})

test('T-JI-3 two audiences are both in the token, and the log warns', async () => {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) > 0 }
  const log = createLog({ level: 'warn', format: 'json', stream, clock })
  const report = createReporter({
    metrics: createMetrics({ registry: new Registry(), clock, version: 'test' }),
    log,
    seldom: createSeldom(log, clock),
    own: trustDomain,
  })
  const authority = await authorityOf()
  const onEvent = report.jwtSvidEvent
  const svids = createJwtSvids({ authority, clock, ttlMs: MINUTE, onEvent })
  await svids.fetch(entry('a'), ['reports'])
  assert.deepEqual(lines, [])
  const { token } = await svids.fetch(entry('a'), ['reports', 'billing'])
  assert.deepEqual((read(token).claims as { aud: unknown }).aud, ['reports', 'billing'])
  const [line = '', ...more] = lines
  assert.deepEqual([more.length, /"level":"warn".*several audiences/.test(line)], [0, true])
  assert.ok(!line.includes(token.split('.')[1] ?? ''))
  await authority.close()
})

test('T-JI-4 a key of Ed25519 or secp256k1 is refused where it is configured and where it is read', () => {
  const config = (jwtKeyType: string): string =>
    JSON.stringify({
      trustDomain: 'example.org',
      entries: { file: 'e.yaml' },
      authority: { kind: 'embedded', jwtKeyType },
    })
  readAgentConfig(config('ec-p384'), { file: 'agent.yaml' })
  const keys = {
    ed25519: generateKeyPairSync('ed25519'),
    secp256k1: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  }
  for (const [name, { publicKey, privateKey }] of Object.entries(keys)) {
    assert.throws(
      () => readAgentConfig(config(name), { file: 'agent.yaml' }),
      /authority\.jwtKeyType.*ec-p256, ec-p384, rsa-2048/,
    )
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    assert.throws(() => readKeyPem(pem, 'slots[0].key'), { code: 'certificate_invalid' }, name)
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    assert.throws(() => jwtVerificationKey(spki, 'key'), /key: no key that signs/, name)
  }
})

test('T-JI-5 a key of RSA 2048 signs RS256, and a shorter one is refused', async () => {
  const authority = await authorityOf({ keyType: 'rsa-2048' })
  const { token } = await authority.issue(request)
  assert.equal((read(token).header as { alg: unknown }).alg, 'RS256')
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  assert.throws(() => jwtVerificationKey(spki, 'key'), /from 2048/)
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  assert.throws(() => readKeyPem(pem, 'key'), /too weak/)
  await authority.close()
})

test('T-JI-6 the ID of a trust domain is not issued', async () => {
  const authority = await authorityOf()
  const asked = authority.issue({ ...request, spiffeId: parseSpiffeId('spiffe://example.org') })
  await assert.rejects(asked, { code: 'request_invalid' })
  await authority.close()
})

test('T-JI-7 a token ends with its key at the latest', async () => {
  const authority = await authorityOf()
  const { token, expiresAt } = await authority.issue({ ...request, ttlMs: 600 * MINUTE })
  const [slot] = authority.state.current.slots
  assert.equal(expiresAt, slot?.notAfter)
  assert.equal((read(token).claims as { exp: number }).exp * 1000, expiresAt)
  await authority.close()
})

test('T-JI-8 who asks names audiences and nothing else: no claim can be written over', async () => {
  const authority = await authorityOf()
  const more = { sub: 'spiffe://example.org/b', aud: ['b'], exp: 2 ** 40, claims: { sub: 'b' } }
  const { token } = await authority.issue({ ...request, ...more })
  const { claims } = read((await authority.issue(request)).token)
  assert.deepEqual(read(token).claims, claims)
  for (const audience of ['a","sub":"b', '"],"exp":4102444800,"x":["']) {
    const odd = read((await authority.issue({ ...request, audience: [audience] })).token).claims
    assert.deepEqual(odd, { ...(claims as object), aud: [audience] })
  }
  await authority.close()
})

test('T-JV-1 a token is accepted whose audiences, a text or a list, hold the one that is asked for', async () => {
  for (const aud of [['a'], 'a', ['b', 'a']]) {
    const { spiffeId: id, claims: found } = await verify(signed({ claims: { aud } }))
    assert.equal(id, spiffeId)
    assert.deepEqual(found, { ...claims, aud: [aud].flat() })
  }
})

test('T-JV-2 a token without typ, or with JOSE, is accepted', async () => {
  await verify(signed({ header: { typ: undefined } }))
  await verify(signed({ header: { typ: 'JOSE' } }))
})

test('T-JV-3 another typ is refused', async () => {
  for (const typ of ['jwt', 'at+jwt', 'wit+jwt', 'WIT+JWT', 'application/jwt', '', 7, null])
    await refused(signed({ header: { typ } }), /JV-8/)
})

test('T-JV-4 an alg that is not allowed is refused before a key is looked for', async () => {
  const none = (alg: unknown) => tokenOf(key, { alg, kid: 'nobody has this key' }, claims)
  for (const alg of [
    'none',
    'HS256',
    'EdDSA',
    'Ed25519',
    'ES256K',
    'es256',
    '',
    undefined,
    ['ES256'],
  ])
    await refused(none(alg), /JV-1/)
  // Signed with what everyone knows: the text of the public key.
  const [input] = /^[^.]*\.[^.]*/.exec(none('HS256')) ?? ['']
  const mac = createHmac('sha256', JSON.stringify(key.jwk)).update(input).digest('base64url')
  await refused(`${input}.${mac}`, /JV-1/)
})

test('T-JV-5 a token without audience, or for another, is refused', async () => {
  for (const aud of [undefined, [], ['b'], 'b', 'ab', ['A'], null, 7, [7], [['a']], { a: 'a' }])
    await refused(signed({ claims: { aud } }), /JV-2/)
})

test('T-JV-6 a token without exp is refused', async () => {
  for (const exp of [undefined, null, '1893456300', true])
    await refused(signed({ claims: { exp } }), /JV-3/)
})

test('T-JV-7 a token that ended 30 s ago is accepted, and one that ended 61 s ago is not', async () => {
  await verify(signed({ claims: { exp: seconds - 30 } }))
  await verify(signed({ claims: { exp: seconds - 59.5 } }))
  await refused(signed({ claims: { exp: seconds - 61 } }), /JV-3/)
  await refused(signed({ claims: { exp: seconds - 60 } }), /JV-3/)
  // JV-11: the other end of its life.
  await verify(signed({ claims: { nbf: seconds + 59 } }))
  await refused(signed({ claims: { nbf: seconds + 61 } }), /JV-11/)
})

test('T-JV-8 a token without kid is refused', async () => {
  for (const kid of [undefined, '', 1]) await refused(signed({ header: { kid } }), /JV-9/)
})

test('T-JV-9 the key of one trust domain does not speak for another', async () => {
  const other = { sub: 'spiffe://other.org/w' }
  await refused(signed({ claims: other }), /JV-6.*other\.org/)
  const theirs = createTokenKey('ES256', 'k2')
  const both = new Map([bundleOf('example.org', key.jwk), bundleOf('other.org', theirs.jwk)])
  await refused(signed({ claims: other }), /JV-6.*other\.org/, both)
  // The same kid in both: the key of the other trust domain is used, and it has not signed this.
  const same = new Map([
    bundleOf('example.org', key.jwk),
    bundleOf('other.org', { ...theirs.jwk, kid: 'k1' }),
  ])
  await refused(signed({ claims: other }), /JV-4/, same)
  await verify(signed({}), same)
})

test('T-JV-10 a header that says crit is refused', async () => {
  for (const crit of [['foo'], [], ['b64'], 'foo'])
    await refused(signed({ header: { crit, foo: 1, b64: true } }), /JV-10/)
})

test('T-JV-11 only the compact form is read', async () => {
  const token = signed({})
  await verify(token)
  const [head = '', body = '', signature = ''] = token.split('.')
  for (const other of [
    JSON.stringify({ payload: body, protected: head, signature }),
    JSON.stringify({ payload: body, signatures: [{ protected: head, signature }] }),
    `${head}.${body}`,
    `${token}.`,
    `${token}.${signature}`,
    `.${token}`,
    '',
    '..',
  ])
    await refused(other, /JV-4/)
  // The same bytes, written otherwise.
  for (const other of [`${token}=`, ` ${token}`, `${token}\n`, `${head}=.${body}.${signature}`])
    await refused(other, /JV-4/)
})
