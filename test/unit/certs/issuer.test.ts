import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import {
  createIntermediateCertificate,
  createIssuer,
  createRootCertificate,
  issueLeaf,
  type CaRequest,
  type Issuer,
  type LeafRequest,
} from '../../../src/certs/issuer.ts'
import { generateKey, KEY_TYPES, type KeyPair } from '../../../src/certs/keys.ts'
import { parseCertificate, verifyX509Svid } from '../../../src/certs/parse.ts'
import { SpindleError, type ErrorCode } from '../../../src/runtime/errors.ts'
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from '../../../src/spiffe/spiffe-id.ts'
import { leafFaults, signingCertificateFaults } from '../../../src/spiffe/x509-svid.ts'
import { CLIENT_AUTH, HOUR, makeCa, makeLeaf, NOW, SERVER_AUTH, USAGE } from './make-certificate.ts'

const trustDomainId = parseSpiffeId('spiffe://example.org')
const caRequest: CaRequest = {
  trustDomainId,
  notBefore: NOW - 10_000,
  notAfter: NOW + 24 * HOUR,
  serial: Buffer.from('0123456789', 'hex'),
}
const keys = new Map<string, KeyPair>()
for (const type of KEY_TYPES) keys.set(type, await generateKey(type))
const keyOf = (type: (typeof KEY_TYPES)[number]): KeyPair => keys.get(type) as KeyPair
const rootKey = keyOf('ec-p256')
const root = await createRootCertificate(rootKey, caRequest)
const issuer = createIssuer(root, rootKey, 'root')
const leafKey = await generateKey('ec-p256')

const leafRequest = (changed: Partial<LeafRequest> = {}): LeafRequest => ({
  spiffeId: parseSpiffeId('spiffe://example.org/web'),
  dnsNames: [],
  spki: leafKey.spki,
  notBefore: NOW - 10_000,
  notAfter: NOW + HOUR,
  serial: Buffer.from([0x01]),
  ...changed,
})

async function refuses(
  pending: Promise<unknown>,
  message: RegExp,
  code: ErrorCode = 'request_invalid',
): Promise<void> {
  await assert.rejects(pending, (thrown) => {
    assert.ok(thrown instanceof SpindleError, String(thrown))
    assert.match(thrown.message, message)
    assert.equal(thrown.code, code)
    return true
  })
}

for (const type of KEY_TYPES) {
  test(`createRootCertificate ${type}: a self-signed CA that says exactly what was asked`, async () => {
    const key = keyOf(type)
    const der = await createRootCertificate(key, { ...caRequest, commonName: 'Example CA' })
    const facts = parseCertificate(der, 'root')
    assert.deepEqual(signingCertificateFaults(facts, 'own'), [])
    assert.deepEqual(facts.basicConstraints, { ca: true })
    assert.deepEqual(facts.keyUsage, { critical: true, usages: ['keyCertSign', 'cRLSign'] })
    assert.deepEqual(facts.uriSans, ['spiffe://example.org'])
    assert.equal(facts.extendedKeyUsage, undefined)
    assert.equal(facts.serial, '0123456789')
    assert.equal(facts.subject, 'C=US, O=SPIFFE, CN=Example CA, serialNumber=0123456789')
    assert.equal(facts.issuer, facts.subject)
    assert.deepEqual([facts.notBefore, facts.notAfter], [NOW - 10_000, NOW + 24 * HOUR])
    assert.deepEqual(facts.spki, key.spki)
    assert.match(facts.subjectKeyId, /^[0-9a-f]{40}$/)
    assert.ok(facts.x509.verify(facts.x509.publicKey))
  })

  test(`issueLeaf under ${type} and under its intermediate: accepted by path validation`, async () => {
    const key = keyOf(type)
    const anchor = await createRootCertificate(key, caRequest)
    const top = createIssuer(anchor, key, 'root')
    const innerKey = await generateKey('ec-p384')
    const inner = await createIntermediateCertificate(top, innerKey, caRequest)
    const below = createIssuer(inner, innerKey, 'intermediate')
    const bundles = new Map([[parseTrustDomain('example.org'), [anchor]]])
    for (const chain of [
      [await issueLeaf(top, leafRequest())],
      [await issueLeaf(below, leafRequest()), inner],
    ]) {
      const id = verifyX509Svid(chain, bundles, { now: NOW, mode: 'strict' })
      assert.equal(id, 'spiffe://example.org/web')
    }
  })
}

test('createRootCertificate writes years from 2050 and serials of 20 bytes', async () => {
  const serial = Buffer.alloc(20, 0x7f)
  const notAfter = Date.UTC(2060, 0, 1)
  const der = await createRootCertificate(rootKey, { ...caRequest, notAfter, serial })
  const facts = parseCertificate(der, 'root')
  assert.equal(facts.notAfter, notAfter)
  assert.equal(facts.serial, '7F'.repeat(20))
})

test('createRootCertificate refuses an ID with a path and values it cannot write', async () => {
  const make = (changed: Partial<CaRequest>): Promise<Buffer> =>
    createRootCertificate(rootKey, { ...caRequest, ...changed })
  await refuses(make({ trustDomainId: parseSpiffeId('spiffe://example.org/ca') }), /has no path/)
  await refuses(make({ serial: Buffer.alloc(3) }), /serial number is not positive/)
  await refuses(make({ notAfter: caRequest.notBefore }), /notBefore must be before notAfter/)
  await refuses(make({ commonName: 'x'.repeat(65) }), /common name/)
  await refuses(make({ commonName: '' }), /common name/)
})

test('createIntermediateCertificate ends with its issuer, and names it', async () => {
  const innerKey = await generateKey('ec-p256')
  const asked = { ...caRequest, notAfter: caRequest.notAfter + HOUR }
  const inner = parseCertificate(
    await createIntermediateCertificate(issuer, innerKey, asked),
    'intermediate',
  )
  assert.equal(inner.notAfter, issuer.notAfter)
  assert.equal(inner.authorityKeyId, issuer.authorityId)
  assert.notEqual(inner.subjectKeyId, issuer.authorityId)
  assert.equal(inner.basicConstraints?.pathLen, undefined)
  assert.deepEqual(signingCertificateFaults(inner, 'own'), [])
})

test('createIntermediateCertificate lowers pathLen by one and refuses below 0', async () => {
  const made = await makeCa({ pathLen: 1 })
  const top = createIssuer(made.der, made.key, 'operator')
  const innerKey = await generateKey('ec-p256')
  const inner = await createIntermediateCertificate(top, innerKey, caRequest)
  assert.deepEqual(parseCertificate(inner, 'p').basicConstraints, { ca: true, pathLen: 0 })
  const last = createIssuer(inner, innerKey, 'intermediate')
  await refuses(createIntermediateCertificate(last, rootKey, caRequest), /allows no CA below/)
})

test('createIssuer takes a CA without key identifier and gives it the one others would compute', async () => {
  const made = await makeCa({})
  const own = createIssuer(made.der, made.key, 'operator')
  assert.match(own.authorityId, /^[0-9a-f]{40}$/)
  assert.equal(own.trustDomain, undefined)
  const leaf = parseCertificate(await issueLeaf(own, leafRequest()), 'leaf')
  assert.equal(leaf.authorityKeyId, own.authorityId)
})

test('createIssuer refuses another key, a leaf, a CA that may not sign, and what is no certificate', async () => {
  const place = 'authority.certFile'
  const at = (made: { der: Uint8Array; key: KeyPair }) => () =>
    createIssuer(made.der, made.key, place)
  assert.throws(
    at({ der: root, key: leafKey }),
    /^SpindleError: authority\.certFile: the private key does not fit/,
  )
  assert.throws(at(await makeLeaf({})), /may not sign: XC-1.*XC-2/)
  assert.throws(at(await makeCa({ usage: USAGE.cRLSign })), /may not sign: XC-1/)
  assert.throws(
    at({ der: Buffer.from('x'), key: leafKey }),
    /authority\.certFile: not a certificate/,
  )
})

test('issueLeaf writes the whole profile, and nothing else', async () => {
  const dnsNames = ['web.example.org', '*.example.org', 'xn--bcher-kva.example', 'my_db.internal']
  const leaf = parseCertificate(await issueLeaf(issuer, leafRequest({ dnsNames })), 'leaf')
  assert.deepEqual(leafFaults(leaf, 'strict'), [])
  assert.deepEqual(leaf.uriSans, ['spiffe://example.org/web'])
  assert.deepEqual(leaf.dnsSans, dnsNames)
  assert.deepEqual(leaf.keyUsage, { critical: true, usages: ['digitalSignature'] })
  assert.deepEqual(leaf.extendedKeyUsage, [SERVER_AUTH, CLIENT_AUTH])
  assert.deepEqual(leaf.basicConstraints, { ca: false })
  assert.equal(leaf.subject, 'C=US, O=Spindle, CN=web.example.org')
  assert.equal(leaf.issuer, parseCertificate(root, 'root').subject)
  assert.equal(leaf.authorityKeyId, issuer.authorityId)
  assert.match(leaf.subjectKeyId, /^[0-9a-f]{40}$/)
  assert.deepEqual(leaf.unhandledCritical, [])
  assert.deepEqual(leaf.spki, leafKey.spki)
})

test('key identifiers are those of RFC 7093: 160 bits of the SHA-256 of the public key', async () => {
  // The last 65 bytes of a P-256 SubjectPublicKeyInfo are its uncompressed point.
  const idOf = (spki: Buffer): string => hash('sha256', spki.subarray(-65), 'hex').slice(0, 40)
  const leaf = parseCertificate(await issueLeaf(issuer, leafRequest()), 'leaf')
  assert.equal(leaf.subjectKeyId, idOf(leafKey.spki))
  assert.equal(issuer.authorityId, idOf(rootKey.spki))
  assert.equal(parseCertificate(root, 'root').subjectKeyId, idOf(rootKey.spki))
})

test('issueLeaf leaves out a common name over 64 characters, as RFC 5280 does not allow it', async () => {
  const subjectOf = async (name: string): Promise<string> =>
    parseCertificate(await issueLeaf(issuer, leafRequest({ dnsNames: [name] })), 'leaf').subject
  const label = 'a'.repeat(60)
  assert.equal(await subjectOf(`${label}.org`), `C=US, O=Spindle, CN=${label}.org`)
  assert.equal(await subjectOf(`${label}.orgs`), 'C=US, O=Spindle')
})

test('issueLeaf cuts times to whole seconds, downwards', async () => {
  const odd = leafRequest({ notBefore: NOW - 1, notAfter: NOW + 1999 })
  const leaf = parseCertificate(await issueLeaf(issuer, odd), 'leaf')
  assert.deepEqual([leaf.notBefore, leaf.notAfter], [NOW - 1000, NOW + 1000])
})

test('issueLeaf lets a leaf end with its issuer, not after it', async () => {
  const { notAfter } = issuer
  assert.ok(await issueLeaf(issuer, leafRequest({ notAfter })))
  assert.ok(await issueLeaf(issuer, leafRequest({ notAfter: notAfter + 999 })), 'the same second')
  await refuses(issueLeaf(issuer, leafRequest({ notAfter: notAfter + 1000 })), /outlive its issuer/)
})

test('issueLeaf gives RSA keys keyEncipherment as well', async () => {
  const { spki } = keyOf('rsa-2048')
  const leaf = parseCertificate(await issueLeaf(issuer, leafRequest({ spki })), 'leaf')
  assert.deepEqual(leaf.keyUsage?.usages, ['digitalSignature', 'keyEncipherment'])
  assert.deepEqual(leafFaults(leaf, 'strict'), [])
})

test('issueLeaf refuses what may not be a leaf', async () => {
  const ask = (changed: Partial<LeafRequest>): Promise<Buffer> =>
    issueLeaf(issuer, leafRequest(changed))
  const unchecked = (text: string): SpiffeId => text as SpiffeId
  await refuses(ask({ spiffeId: trustDomainId }), /needs a SPIFFE ID with a path/)
  await refuses(
    ask({ spiffeId: parseSpiffeId('spiffe://other.org/web') }),
    /trust domain example\.org/,
  )
  const long = unchecked(`spiffe://example.org/${'a'.repeat(2028)}`)
  await refuses(ask({ spiffeId: long }), /2048 bytes/, 'spiffe_id_invalid')
  const raw = unchecked('spiffe://example.org/a/../b')
  await refuses(ask({ spiffeId: raw }), /segment/, 'spiffe_id_invalid')
  await refuses(ask({ dnsNames: ['ok.org', 'b d.org'] }), /DNS name "b d\.org" has a label/)
  await refuses(ask({ dnsNames: ['a\nb'] }), /DNS name "a\\nb"/)
  await refuses(ask({ serial: Buffer.alloc(0) }), /not positive/)
  await refuses(ask({ serial: Buffer.alloc(20) }), /not positive/)
  await refuses(ask({ serial: Buffer.alloc(20, 0x80) }), /longer than 20 bytes/)
  await refuses(ask({ serial: Buffer.alloc(21, 1) }), /longer than 20 bytes/)
  await refuses(ask({ notBefore: NOW, notAfter: NOW + 999 }), /notBefore must be before notAfter/)
  await refuses(ask({ notBefore: Number.NaN }), /notBefore must be before notAfter/)
  await refuses(ask({ notAfter: Date.UTC(10_000, 0) }), /1970 to 9999/)
})

test('issueLeaf refuses public keys it does not know, word for word', async () => {
  const ask = (spki: Uint8Array): Promise<Buffer> => issueLeaf(issuer, leafRequest({ spki }))
  const { spki } = leafKey
  const rsa = keyOf('rsa-2048').spki
  const bad = [
    new Uint8Array(),
    spki.subarray(0, -1),
    Buffer.concat([spki, Buffer.from([0])]),
    Buffer.concat([rsa, Buffer.from([0])]),
    Buffer.from(spki).fill(0x02, 26, 27),
    leafKey.pkcs8,
  ]
  for (const bytes of bad) await refuses(ask(bytes), /public key must be EC P-256/)
})

test('issueLeaf hands out nothing whose signature does not verify', async () => {
  const broken: Issuer = { ...issuer, key: await generateKey('ec-p256') }
  await refuses(issueLeaf(broken, leafRequest()), /does not verify; nothing was issued/, 'internal')
  const brokenRsa: Issuer = { ...issuer, key: keyOf('rsa-2048') }
  await refuses(issueLeaf(brokenRsa, leafRequest()), /does not verify/, 'internal')
})

test('createIntermediateCertificate hands out nothing whose signature does not verify', async () => {
  const broken: Issuer = { ...issuer, key: await generateKey('ec-p256') }
  await refuses(
    createIntermediateCertificate(broken, leafKey, caRequest),
    /made wrongly and thrown away/,
    'internal',
  )
})
