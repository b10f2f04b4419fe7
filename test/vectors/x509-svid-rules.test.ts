import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEntry } from '../../src/registration/entry.ts'
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import {
  leafFaults,
  mayIssueAuthorities,
  signingCertificateFaults,
  signingCertificateWarnings,
  type CertificateFacts,
} from '../../src/spiffe/x509-svid.ts'

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3'
const trustDomain = parseTrustDomain('td')

const leaf: CertificateFacts = {
  uriSans: ['spiffe://td/a'],
  dnsSans: [],
  subjectEmpty: true,
  sanCritical: true,
  basicConstraints: { ca: false },
  keyUsage: { critical: true, usages: ['digitalSignature'] },
  extendedKeyUsage: [SERVER_AUTH, CLIENT_AUTH],
  notBefore: 0,
  notAfter: 3_600_000,
}
const ca: CertificateFacts = {
  uriSans: ['spiffe://td'],
  dnsSans: [],
  subjectEmpty: false,
  sanCritical: false,
  basicConstraints: { ca: true },
  keyUsage: { critical: true, usages: ['keyCertSign', 'cRLSign'] },
  notBefore: 0,
  notAfter: 3_600_000,
}

const usages = (critical: boolean, ...names: readonly string[]): Partial<CertificateFacts> => ({
  keyUsage: { critical, usages: names },
})

function without(facts: CertificateFacts, name: keyof CertificateFacts): CertificateFacts {
  const { [name]: _, ...rest } = facts
  return rest as CertificateFacts
}

/** Each fault begins with its ids. */
function assertFaults(faults: readonly string[], ...ids: readonly string[]): void {
  assert.deepEqual(
    faults.map((fault) => fault.slice(0, fault.indexOf(' ('))),
    ids,
  )
}

function assertLeaf(
  facts: CertificateFacts,
  lenient: readonly string[],
  strict: readonly string[],
): void {
  assertFaults(leafFaults(facts, 'lenient'), ...lenient)
  assertFaults(leafFaults(facts, 'strict'), ...lenient, ...strict)
}

test('T-XL-1 a leaf with an empty subject needs a critical SAN, and has the usages of a leaf', () => {
  assertLeaf(leaf, [], [])
  assertLeaf({ ...leaf, sanCritical: false }, [], ['XL-4'])
  assertLeaf({ ...leaf, ...usages(false, 'digitalSignature') }, [], ['XL-6'])
  assertLeaf({ ...leaf, ...usages(true, 'digitalSignature', 'keyAgreement') }, [], [])
  assertLeaf({ ...leaf, extendedKeyUsage: [SERVER_AUTH] }, [], ['XL-11'])
  assertLeaf({ ...leaf, extendedKeyUsage: [CLIENT_AUTH] }, [], ['XL-11'])
  assertLeaf(without(leaf, 'extendedKeyUsage'), [], [])
  assertLeaf({ ...leaf, basicConstraints: { ca: false, pathLen: 0 } }, [], ['XL-5'])
})

test('T-XL-2 with a subject and a DNS name the SAN need not be critical', () => {
  assertLeaf({ ...leaf, subjectEmpty: false, sanCritical: false, dnsSans: ['a.td'] }, [], [])
})

test('T-XL-3 the ID of a trust domain is refused for a leaf', () => {
  const { faults } = createEntry(
    { spiffeId: 'spiffe://td', selectors: ['unix:uid:1'] },
    trustDomain,
  )
  assert.match(faults?.map((fault) => fault.message).join() ?? '', /no path/)
  assertLeaf({ ...leaf, uriSans: ['spiffe://td'] }, ['XV-5, XL-3'], [])
})

test('T-XL-4 two URI SANs are refused', () => {
  assertLeaf({ ...leaf, uriSans: ['spiffe://td/a', 'spiffe://td/b'] }, ['XV-6, XL-1'], [])
})

test('T-XL-5 a leaf that is a CA, signs certificates, or serves one side only is refused', () => {
  assertLeaf({ ...leaf, basicConstraints: { ca: true } }, ['XV-2, XL-5'], [])
  assertLeaf({ ...leaf, ...usages(true, 'digitalSignature', 'keyCertSign') }, ['XV-3, XL-9'], [])
  assertLeaf({ ...leaf, extendedKeyUsage: [SERVER_AUTH] }, [], ['XL-11'])
})

test('T-XL-6 an ID of another trust domain is refused', () => {
  const { faults } = createEntry(
    { spiffeId: 'spiffe://other/a', selectors: ['unix:uid:1'] },
    trustDomain,
  )
  assert.deepEqual(
    faults?.map((fault) => fault.path),
    ['spiffeId'],
  )
  assert.match(faults?.[0]?.message ?? '', /not in the trust domain td/)
})

test('T-XL-8 a DNS name that is too long or has a bad label is refused', () => {
  const dnsNames = [`${'a.'.repeat(126)}ab`, `${'a'.repeat(64)}.td`, '-a.td', 'a..td', 'ok.td']
  const { faults } = createEntry(
    { spiffeId: 'spiffe://td/a', selectors: ['unix:uid:1'], dnsNames },
    trustDomain,
  )
  const paths = faults?.map((fault) => fault.path)
  assert.deepEqual(paths, ['dnsNames[0]', 'dnsNames[1]', 'dnsNames[2]', 'dnsNames[3]'])
})

test('T-XC-1 a CA that signs certificates and names its trust domain is a signing certificate', () => {
  assertFaults(signingCertificateFaults(ca, 'own'))
  assertFaults(signingCertificateFaults(ca, 'external'))
  assertFaults(signingCertificateWarnings(ca))
})

test('T-XC-2 a CA without URI SAN is one too', () => {
  assertFaults(signingCertificateFaults({ ...ca, uriSans: [] }, 'own'))
})

test('T-XC-3 an own CA whose ID has a path is refused', () => {
  assertFaults(signingCertificateFaults({ ...ca, uriSans: ['spiffe://td/ca'] }, 'own'), 'XC-4')
})

test('T-XC-4 a CA that does not sign certificates, and one that is no CA, are refused', () => {
  const cannotSign = { ...ca, ...usages(true, 'cRLSign') }
  const noConstraints = without(ca, 'basicConstraints')
  for (const mode of ['own', 'external'] as const) {
    assertFaults(signingCertificateFaults(cannotSign, mode), 'XC-1')
    assertFaults(signingCertificateFaults(noConstraints, mode), 'XC-2')
    assertFaults(signingCertificateFaults({ ...ca, basicConstraints: { ca: false } }, mode), 'XC-2')
  }
})

test('T-XC-5 a key usage that is not critical is refused in an own CA', () => {
  const facts = { ...ca, ...usages(false, 'keyCertSign') }
  assertFaults(signingCertificateFaults(facts, 'own'), 'XC-1')
  assertFaults(signingCertificateFaults(facts, 'external'))
  assertFaults(signingCertificateWarnings(facts), 'XC-1')
})

test('T-XC-6 leaf usages are refused in an own CA and warned of in an external one', () => {
  const facts = { ...ca, ...usages(true, 'keyCertSign', 'digitalSignature') }
  assertFaults(signingCertificateFaults(facts, 'own'), 'XC-11')
  assertFaults(signingCertificateFaults(facts, 'external'))
  assertFaults(signingCertificateWarnings(facts), 'XC-11')
})

test('T-XC-7 a CA of path length 0 signs leaves and no intermediate', () => {
  const facts = { ...ca, basicConstraints: { ca: true, pathLen: 0 } }
  assertFaults(signingCertificateFaults(facts, 'own'))
  assert.equal(mayIssueAuthorities(facts), false)
})

test('T-XC-8 a CA with two URI SANs is refused', () => {
  const facts = { ...ca, uriSans: ['spiffe://td', 'https://td'] }
  assertFaults(signingCertificateFaults(facts, 'external'), 'XC-6')
  assert.ok(signingCertificateFaults(facts, 'own').some((fault) => fault.startsWith('XC-6')))
})

test('T-XV-1 a DNS SAN beside the ID is accepted', () => {
  assertLeaf({ ...leaf, dnsSans: ['a.td'] }, [], [])
})

test('T-XV-2 an ID without path is refused', () => {
  assertLeaf({ ...leaf, uriSans: ['spiffe://example.org'] }, ['XV-5, XL-3'], [])
})

test('T-XV-3 two URI SANs and none are refused, whatever their scheme', () => {
  assertLeaf({ ...leaf, uriSans: ['spiffe://td/a', 'https://td/a'] }, ['XV-6, XL-1'], [])
  assertLeaf({ ...leaf, uriSans: [] }, ['XV-6, XL-1'], [])
})

test('T-XV-4 a CA, and a leaf that signs certificates or revocation lists, are refused', () => {
  assertLeaf({ ...leaf, basicConstraints: { ca: true } }, ['XV-2, XL-5'], [])
  assertLeaf({ ...leaf, ...usages(true, 'digitalSignature', 'keyCertSign') }, ['XV-3, XL-9'], [])
  assertLeaf({ ...leaf, ...usages(true, 'digitalSignature', 'cRLSign') }, ['XV-3, XL-9'], [])
})

test('T-XV-7 a leaf without basicConstraints is accepted', () => {
  assertLeaf(without(leaf, 'basicConstraints'), [], [])
})

test('T-XV-8 a leaf without digitalSignature is refused where strict', () => {
  assertLeaf(without(leaf, 'keyUsage'), [], ['XL-6', 'XL-7'])
  assertLeaf({ ...leaf, ...usages(true, 'keyEncipherment') }, [], ['XL-7'])
})

test('T-XV-9 a leaf for code signing alone is refused where strict', () => {
  assertLeaf({ ...leaf, extendedKeyUsage: [CODE_SIGNING] }, [], ['XL-11'])
})

test('XV-4 and XV-10: a URI that is not a SPIFFE ID, by scheme or by any rule of IDs, is refused', () => {
  for (const uri of ['https://td/a', 'spiffe://td/a/', 'spiffe://TD/a', '']) {
    assertLeaf({ ...leaf, uriSans: [uri] }, ['XV-4, XL-1'], [])
  }
})
