/** The X.509 vectors of the conformance reference (T-XL, T-XC, T-XV), each with certificates that are really signed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createIntermediateCertificate,
  createIssuer,
  createRootCertificate,
  issueLeaf,
  type Issuer,
  type LeafRequest,
} from '../../src/certs/issuer.ts'
import { generateKey } from '../../src/certs/keys.ts'
import {
  parseCertificate,
  readTrustAnchorsPem,
  toPem,
  verifyX509Svid,
} from '../../src/certs/parse.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { leafFaults, signingCertificateFaults } from '../../src/spiffe/x509-svid.ts'
import {
  bundlesOf,
  CLIENT_AUTH,
  HOUR,
  makeCa,
  makeCertificate,
  makeLeaf,
  NOW,
  rawExtension,
  SERVER_AUTH,
  USAGE,
  type Made,
  type Wanted,
} from '../unit/certs/make-certificate.ts'

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
const SIGNING = USAGE.keyCertSign | USAGE.cRLSign

// --- issuing leaves -------------------------------------------------------------------------------------------------

const caRequest = {
  trustDomainId: parseSpiffeId('spiffe://td'),
  notBefore: NOW - HOUR,
  notAfter: NOW + 2 * HOUR,
  serial: Buffer.from([1]),
}
const caKey = await generateKey('ec-p256')
const caDer = await createRootCertificate(caKey, caRequest)
const ca = createIssuer(caDer, caKey, 'ca')
const leafKey = await generateKey('ec-p256')

const issue = (changed: Partial<LeafRequest> = {}, by: Issuer = ca): Promise<Buffer> =>
  issueLeaf(by, {
    spiffeId: parseSpiffeId('spiffe://td/a'),
    dnsNames: [],
    spki: leafKey.spki,
    notBefore: NOW,
    notAfter: NOW + HOUR,
    serial: Buffer.from([7]),
    ...changed,
  })

test('T-XL-1 an empty subject makes the SAN critical; the leaf profile in its very bytes', async () => {
  const leaf = await issue()
  const anchors = {
    'basicConstraints, critical': '0603551d13 0101ff 0402 3000',
    'keyUsage, critical': '0603551d0f 0101ff 0404 03020780',
    extendedKeyUsage: '0603551d25 0416 301406082b0601050507030106082b06010505070302',
  }
  for (const [name, bytes] of Object.entries(anchors)) {
    assert.ok(leaf.includes(Buffer.from(bytes.replaceAll(' ', ''), 'hex')), name)
  }
  assert.deepEqual(parseCertificate(leaf, 'leaf').uriSans, ['spiffe://td/a'])
  const nameless = { by: { der: caDer, key: caKey, name: 'CN=x' }, name: '' }
  const read = async (sanCritical: boolean): Promise<readonly string[]> =>
    leafFaults(parseCertificate((await makeLeaf({ ...nameless, sanCritical })).der, 'p'), 'strict')
  assert.deepEqual(await read(true), [])
  assert.match((await read(false)).join(), /XL-4/)
})

test('T-XL-2 a subject, a DNS name and the URI; the SAN need not be critical', async () => {
  const leaf = parseCertificate(await issue({ dnsNames: ['a.td'] }), 'leaf')
  assert.deepEqual([leaf.uriSans, leaf.dnsSans], [['spiffe://td/a'], ['a.td']])
  assert.deepEqual([leaf.subjectEmpty, leaf.sanCritical], [false, false])
  assert.deepEqual(leafFaults(leaf, 'strict'), [])
})

test('T-XL-3 a SPIFFE ID without a path is refused', async () => {
  await assert.rejects(issue({ spiffeId: parseSpiffeId('spiffe://td') }), /with a path/)
})

test('T-XL-4, T-XL-5 nothing of a CSR but its key gets into the leaf', async () => {
  // A request has no field for URIs, constraints or usages: what it could smuggle in beside them is not written.
  const smuggled = { uris: ['spiffe://td/b'], ca: true, usage: SIGNING, purposes: [SERVER_AUTH] }
  const leaf = parseCertificate(await issue(smuggled as Partial<LeafRequest>), 'leaf')
  assert.deepEqual(leaf.uriSans, ['spiffe://td/a'])
  assert.deepEqual(leaf.basicConstraints, { ca: false })
  assert.deepEqual(leaf.keyUsage?.usages, ['digitalSignature'])
  assert.deepEqual(leaf.extendedKeyUsage, [SERVER_AUTH, CLIENT_AUTH])
})

test('T-XL-6 a SPIFFE ID of another trust domain is refused', async () => {
  await assert.rejects(
    issue({ spiffeId: parseSpiffeId('spiffe://other/a') }),
    /not of the authority/,
  )
})

test('T-XL-7 a leaf never ends after its CA', async () => {
  await assert.rejects(issue({ notAfter: NOW + 3 * HOUR }), /outlive/)
  const leaf = parseCertificate(await issue({ notAfter: ca.notAfter }), 'leaf')
  assert.equal(leaf.notAfter, NOW + 2 * HOUR)
})

test('T-XL-8 a DNS name over 253 characters or with a bad label is refused', async () => {
  const long = `${'a.'.repeat(126)}aa`
  assert.equal(long.length, 254)
  for (const name of [long, 'a..b', '-a.b', `${'a'.repeat(64)}.b`, 'a b', '']) {
    await assert.rejects(issue({ dnsNames: [name] }), /DNS name/, name)
  }
  assert.ok(await issue({ dnsNames: [long.slice(1).replace('.', 'a')] }), '253 characters')
})

// --- signing certificates -------------------------------------------------------------------------------------------

const caFaults = (made: Made, mode: 'own' | 'external'): string =>
  signingCertificateFaults(parseCertificate(made.der, 'ca'), mode).join()
const external = (made: Made): ReturnType<typeof readTrustAnchorsPem> =>
  readTrustAnchorsPem(toPem(made.der, 'CERTIFICATE'), 'bundleFile')

test('T-XC-1 a CA with keyCertSign, cRLSign and the trust domain’s ID; ours is one, in its very bytes', async () => {
  assert.equal(caFaults(await makeCa({ uris: ['spiffe://td'] }), 'own'), '')
  assert.deepEqual(signingCertificateFaults(parseCertificate(caDer, 'ca'), 'own'), [])
  assert.ok(caDer.includes(Buffer.from('0603551d130101ff040530030101ff', 'hex')))
  assert.ok(caDer.includes(Buffer.from('0603551d0f0101ff040403020106', 'hex')))
})

test('T-XC-2 a CA without URI SAN is accepted', async () => {
  const made = await makeCa({})
  assert.equal(caFaults(made, 'own'), '')
  assert.ok(createIssuer(made.der, made.key, 'ca'))
})

test('T-XC-3 a CA’s SPIFFE ID with a path is never made', async () => {
  const trustDomainId = parseSpiffeId('spiffe://td/ca')
  await assert.rejects(createRootCertificate(caKey, { ...caRequest, trustDomainId }), /no path/)
  assert.match(caFaults(await makeCa({ uris: ['spiffe://td/ca'] }), 'own'), /XC-4/)
})

test('T-XC-4 a CA without keyCertSign is refused', async () => {
  const made = await makeCa({ usage: USAGE.cRLSign })
  assert.throws(() => createIssuer(made.der, made.key, 'ca'), /XC-1/)
  assert.throws(() => external(made), /XC-1/)
})

test('T-XC-5 a key usage that is not critical: not one of ours', async () => {
  const made = await makeCa({ usageCritical: false })
  assert.match(caFaults(made, 'own'), /XC-1/)
  assert.equal(caFaults(made, 'external'), '')
})

test('T-XC-6 a CA with digitalSignature: not one of ours, accepted from others with a warning', async () => {
  const made = await makeCa({ usage: SIGNING | USAGE.digitalSignature })
  assert.match(caFaults(made, 'own'), /XC-11/)
  assert.ok(createIssuer(made.der, made.key, 'ca'))
  const { anchors, warnings } = external(made)
  assert.equal(anchors.length, 1)
  assert.match(warnings.join(), /is unusual: XC-11 .*digitalSignature/)
})

test('T-XC-7 a CA with pathLen 0 signs no intermediate', async () => {
  const made = await makeCa({ pathLen: 0 })
  const top = createIssuer(made.der, made.key, 'ca')
  await assert.rejects(createIntermediateCertificate(top, leafKey, caRequest), /pathLen 0/)
  assert.ok(await issue({}, top), 'it still signs leaves')
})

test('T-XC-8 a CA with two URI SANs is refused', async () => {
  const made = await makeCa({ uris: ['spiffe://td', 'spiffe://td2'] })
  assert.throws(() => createIssuer(made.der, made.key, 'ca'), /XC-6/)
  assert.throws(() => external(made), /XC-6/)
})

// --- validation -----------------------------------------------------------------------------------------------------

const exampleCa = await makeCa({ uris: ['spiffe://example.org'] })
const otherCa = await makeCa({ uris: ['spiffe://other.org'] })
const bundles = bundlesOf({ 'example.org': [exampleCa] })

const verify = (
  chain: readonly Made[],
  mode: 'lenient' | 'strict' = 'lenient',
  from: ReadonlyMap<TrustDomain, readonly Uint8Array[]> = bundles,
): string =>
  verifyX509Svid(
    chain.map(({ der }) => der),
    from,
    { now: NOW, mode },
  )

const leafWith = (changed: Partial<Wanted>): Promise<Made> =>
  makeLeaf({ by: exampleCa, ...changed })

test('T-XV-1 a leaf with a DNS name is accepted', async () => {
  const leaf = await leafWith({ dns: ['web.example.org'] })
  assert.equal(verify([leaf], 'strict'), 'spiffe://example.org/web')
})

test('T-XV-2 a leaf whose SPIFFE ID has no path is refused', async () => {
  const leaf = await leafWith({ uris: ['spiffe://example.org'] })
  assert.throws(() => verify([leaf]), /XV-5/)
})

test('T-XV-3 two URI SANs, or none, are refused; every URI counts', async () => {
  const two = await leafWith({ uris: ['spiffe://example.org/a', 'spiffe://example.org/b'] })
  const mixed = await leafWith({ uris: ['spiffe://example.org/a', 'https://example.org/'] })
  const none = await leafWith({ uris: [], dns: ['a.example.org'] })
  for (const leaf of [two, mixed, none]) assert.throws(() => verify([leaf]), /XV-6/)
})

test('T-XV-4 a leaf that is a CA, or may sign certificates or CRLs, is refused', async () => {
  const ca = await leafWith({ ca: true })
  assert.throws(() => verify([ca]), /XV-2/)
  for (const usage of [USAGE.keyCertSign, USAGE.cRLSign]) {
    const leaf = await leafWith({ usage: USAGE.digitalSignature | usage })
    assert.throws(() => verify([leaf]), /XV-3/)
  }
})

test('T-XV-5 a trust domain without a bundle is not trusted, whoever signed', async () => {
  const leaf = await leafWith({ uris: ['spiffe://other.org/web'] })
  assert.throws(() => verify([leaf]), /no authorities of other\.org are known/)
})

test('T-XV-6 the authority of one trust domain says nothing about another', async () => {
  const both = bundlesOf({ 'example.org': [exampleCa], 'other.org': [otherCa] })
  const leaf = await leafWith({ uris: ['spiffe://other.org/web'] })
  assert.throws(
    () => verify([leaf], 'lenient', both),
    /no valid path to an authority of other\.org/,
  )
  assert.throws(() => verify([leaf, exampleCa], 'lenient', both), /no valid path/)
  const rightful = await makeLeaf({ by: otherCa, uris: ['spiffe://other.org/web'] })
  assert.equal(verify([rightful], 'strict', both), 'spiffe://other.org/web')
})

test('T-XV-7 a leaf without basicConstraints is accepted', async () => {
  const leaf = await makeCertificate({
    by: exampleCa,
    uris: ['spiffe://example.org/web'],
    usage: USAGE.digitalSignature,
  })
  assert.equal(verify([leaf], 'strict'), 'spiffe://example.org/web')
})

test('T-XV-8 no key usage, or only keyEncipherment: accepted leniently, refused strictly', async () => {
  const none = await makeCertificate({ by: exampleCa, uris: ['spiffe://example.org/web'] })
  const other = await leafWith({ usage: USAGE.keyEncipherment })
  for (const leaf of [none, other]) {
    assert.equal(verify([leaf]), 'spiffe://example.org/web')
    assert.throws(() => verify([leaf], 'strict'), /XL-7/)
  }
})

test('T-XV-9 only codeSigning: accepted leniently, refused strictly', async () => {
  const leaf = await leafWith({ purposes: [CODE_SIGNING] })
  assert.equal(verify([leaf]), 'spiffe://example.org/web')
  assert.throws(() => verify([leaf], 'strict'), /XL-11/)
})

test('T-XV-10 an expired leaf, and one whose CA has left the bundle, are refused', async () => {
  const expired = await leafWith({ notAfter: NOW - 1000 })
  assert.throws(() => verify([expired]), /has expired/)
  const leaf = await leafWith({})
  assert.ok(verify([leaf]))
  const rotated = bundlesOf({ 'example.org': [otherCa] })
  assert.throws(() => verify([leaf], 'lenient', rotated), /no valid path/)
  assert.throws(() => verify([leaf, exampleCa], 'lenient', rotated), /no valid path/)
  assert.throws(() => verify([leaf], 'lenient', bundlesOf({ 'example.org': [] })), /no authorities/)
})
test('XV-4 a URI SAN of another scheme, or only like a SPIFFE ID, is refused', async () => {
  for (const uri of ['https://example.org/web', 'SPIFFE://example.org/web']) {
    const leaf = await leafWith({ uris: [uri] })
    assert.throws(() => verify([leaf]), /XV-4/, uri)
  }
  // Bytes no library would write: "spiffe://example.org/a" and a zero byte, then "/web".
  const uri = Buffer.from('spiffe://example.org/a\0/web', 'latin1')
  const name = Buffer.concat([Buffer.from([0x86, uri.length]), uri])
  const san = Buffer.concat([Buffer.from([0x30, name.length]), name]).toString('hex')
  const leaf = await leafWith({ uris: [], more: [rawExtension('2.5.29.17', false, san)] })
  assert.throws(() => verify([leaf]), /XV-4/)
})
