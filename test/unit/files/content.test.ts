import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { jwkSet, x509Content } from '../../../src/files/content.ts'
import { readCertificatesPem } from '../../../src/certs/parse.ts'
import type { TrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { PARTNER, ca, config, jwtBundles, otherCa, svid, update } from './setting.ts'

const NOW = Date.UTC(2030, 0, 1)
const item = (text: string) => config('/x', `x509: [{ ${text} }]`).x509[0]!
const ALL = 'certFile: c, keyFile: k, bundleFile: b, combinedFile: all'

test('x509Content() puts the CAs first, the key next, the certificate last, in PEM as OpenSSL reads it', async () => {
  const web = await svid('web')
  const { files, doubt } = x509Content(update([web]), item(`${ALL}, keyMode: "0640"`), NOW)
  assert.deepEqual(
    files.map(({ name, mode }) => [name, mode]),
    [
      ['/x/b', 0o644],
      ['/x/all', 0o640],
      ['/x/k', 0o640],
      ['/x/c', 0o644],
    ],
  )
  const [bundle = '', combined = '', key = '', cert = ''] = files.map(({ content }) => content)
  assert.deepEqual(readCertificatesPem(bundle, 'b'), [ca.der])
  assert.deepEqual(readCertificatesPem(cert, 'c'), web.chain)
  assert.equal(combined, key + cert)
  assert(new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
  assert.equal(doubt, undefined)
})

test('x509Content() gives the identity that is wanted: the first, one by its SPIFFE ID, one by its hint', async () => {
  const [web, db] = [await svid('web', { hint: 'a' }), await svid('db', { hint: 'b' })]
  const of = (text: string): string =>
    x509Content(update([web, db]), item(`bundleFile: b, ${text}`), NOW).svid.spiffeId
  assert.equal(of('includeFederated: false'), 'spiffe://example.org/web')
  assert.equal(of('spiffeId: spiffe://example.org/db'), 'spiffe://example.org/db')
  assert.equal(of('hint: b'), 'spiffe://example.org/db')
  for (const missing of ['hint: c', 'spiffeId: spiffe://example.org/other'])
    assert.throws(() => of(missing), {
      code: 'no_identity',
      message: /gives no identity of .*, but spiffe:\/\/example\.org\/web \(a\), spiffe.*db \(b\)$/,
    })
})

test('x509Content() refuses what has expired, and says what peers may have against the rest', async () => {
  const old = await svid('web', { notAfter: NOW - 1_000 })
  assert.throws(() => x509Content(update([old]), item(ALL), NOW), { code: 'agent_failed' })
  const strange = await svid('web', { by: otherCa })
  assert.match(x509Content(update([strange]), item(ALL), NOW).doubt ?? '', /no valid path/)
})

test('federated CAs stand apart unless they are wanted in the bundle too, each certificate once', async () => {
  const web = await svid('web')
  const said = update([web], { 'zeta.test': [otherCa.der], [PARTNER]: [otherCa.der, ca.der] })
  const { files, federated } = x509Content(said, item(ALL), NOW)
  assert.deepEqual(readCertificatesPem(files[0]!.content, 'b'), [ca.der])
  assert.deepEqual(
    federated.map(({ name, content }) => [name, readCertificatesPem(content, name).length]),
    [
      ['partner.test.pem', 2],
      ['zeta.test.pem', 1],
    ],
  )
  const joined = x509Content(said, item(`${ALL}, includeFederated: true`), NOW)
  assert.deepEqual(readCertificatesPem(joined.files[0]!.content, 'b'), [ca.der, otherCa.der])
})

test('jwkSet() is what JWT libraries read: no use, which has a value of SPIFFE’s own', () => {
  const { bundles } = jwtBundles('one')
  const text = jwkSet(bundles, 'example.org' as TrustDomain)
  assert.deepEqual(JSON.parse(text), { keys: [{ kty: 'EC', kid: 'one' }] })
  assert.throws(() => jwkSet(bundles, PARTNER), { code: 'not_ready', message: /partner\.test/ })
})
