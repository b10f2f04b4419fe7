import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { describeBundle } from '../../../../src/agent/serve/describe.ts'
import { makeCa } from '../../certs/make-certificate.ts'
import { OWN } from './setting.ts'

const ca = await makeCa()

test('describeBundle() shows a bundle as PEM where a key of it has no form as JWK', async () => {
  const spki = generateKeyPairSync('ed448').publicKey.export({ type: 'spki', format: 'der' })
  const odd = await makeCa({ key: { ...ca.key, spki }, by: ca })
  const describe = (...x509Authorities: Buffer[]) =>
    describeBundle({ trustDomain: OWN, x509Authorities, jwtAuthorities: [] }, false, '')
  const both = describe(ca.der, odd.der)
  assert.equal(both.document, '')
  assert.equal(both.certificates.length, 2)
  assert.equal(both.pem.split('BEGIN CERTIFICATE').length, 3)
  assert.match(describe(ca.der).document, /"x5c"/)
})
