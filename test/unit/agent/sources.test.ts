import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBundle } from '../../../src/agent/sources.ts'
import { toPem } from '../../../src/certs/parse.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { makeCa } from '../certs/make-certificate.ts'

const partner = parseTrustDomain('partner.test')
const ca = await makeCa({ uris: ['spiffe://partner.test'] })
const x509Key = (der: Uint8Array) => ({
  use: 'x509-svid',
  kty: 'EC',
  x5c: [Buffer.from(der).toString('base64')],
})

test('readBundle gives the authorities of a JWKS and of PEM alike', () => {
  const jwks = JSON.stringify({ keys: [x509Key(ca.der)] })
  for (const text of [jwks, toPem(ca.der, 'CERTIFICATE')]) {
    const { bundle, notes } = readBundle(partner, text, 'file')
    assert.deepEqual(bundle.x509Authorities.map(Buffer.from), [ca.der])
    assert.deepEqual(notes, [])
  }
})

test('readBundle passes over an x5c that is a DER sequence and no certificate: an Envoy would reject the bundle', () => {
  const jwks = JSON.stringify({ keys: [x509Key(Buffer.from('3000', 'hex')), x509Key(ca.der)] })
  const { bundle, notes } = readBundle(partner, jwks, 'file')
  assert.deepEqual(bundle.x509Authorities.map(Buffer.from), [ca.der])
  assert.match(notes.join(), /X\.509 authority 1: not a certificate/)
})
