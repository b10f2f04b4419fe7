import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  mayIssueAuthorities,
  signingCertificateFaults,
  signingCertificateWarnings,
  spiffeIdOf,
  type CertificateFacts,
} from '../../../src/spiffe/x509-svid.ts'

const leaf: CertificateFacts = {
  uriSans: ['spiffe://example.org/web'],
  dnsSans: [],
  subjectEmpty: true,
  sanCritical: true,
  basicConstraints: { ca: false },
  keyUsage: { critical: true, usages: ['digitalSignature'] },
  extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
  notBefore: 0,
  notAfter: 3_600_000,
}
const ca: CertificateFacts = {
  uriSans: ['spiffe://example.org'],
  dnsSans: [],
  subjectEmpty: false,
  sanCritical: false,
  basicConstraints: { ca: true },
  keyUsage: { critical: true, usages: ['keyCertSign', 'cRLSign'] },
  notBefore: 0,
  notAfter: 3_600_000,
}

test('spiffeIdOf gives the ID of a valid leaf', () => {
  assert.equal(spiffeIdOf(leaf), 'spiffe://example.org/web')
})

test('spiffeIdOf refuses a leaf that breaks a rule, and names every rule', () => {
  const usages = ['keyCertSign', 'cRLSign']
  const bad = { ...leaf, basicConstraints: { ca: true }, keyUsage: { critical: true, usages } }
  assert.throws(() => spiffeIdOf(bad), {
    code: 'certificate_invalid',
    message: /^not an X\.509-SVID: XV-2, .*; XV-3, .*keyCertSign; XV-3, .*cRLSign$/,
  })
  assert.throws(() => spiffeIdOf({ ...leaf, uriSans: ['https://example.org/web'] }), {
    code: 'certificate_invalid',
    message: /XV-4/,
  })
})

test('mayIssueAuthorities is false for a leaf and for path length 0 alone', () => {
  assert.equal(mayIssueAuthorities(ca), true)
  assert.equal(mayIssueAuthorities({ ...ca, basicConstraints: { ca: true, pathLen: 1 } }), true)
  assert.equal(mayIssueAuthorities({ ...ca, basicConstraints: { ca: true, pathLen: 0 } }), false)
  assert.equal(mayIssueAuthorities(leaf), false)
})

test('signingCertificateWarnings names each leaf usage of an external CA, and a key usage that is not critical', () => {
  assert.deepEqual(signingCertificateWarnings(ca), [])
  const usages = ['keyCertSign', 'digitalSignature', 'keyAgreement']
  const warnings = signingCertificateWarnings({ ...ca, keyUsage: { critical: false, usages } })
  assert.equal(warnings.length, 2)
  assert.match(warnings.join(), /XC-1 .*XC-11 .*digitalSignature, keyAgreement/)
})

test('signingCertificateFaults leaves names in others’ certificates unread, and reads its own', () => {
  const trailing = { ...ca, uriSans: ['spiffe://example.org/'] }
  assert.deepEqual(signingCertificateFaults(trailing, 'external'), [])
  assert.match(signingCertificateFaults(trailing, 'own').join(), /^XC-3 /)
})

test('signingCertificateFaults refuses an extended key usage in an own CA', () => {
  const limited = { ...ca, extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] }
  assert.match(signingCertificateFaults(limited, 'own').join(), /^XC-10 /)
  assert.deepEqual(signingCertificateFaults(limited, 'external'), [])
})
