import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import test from 'node:test'
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SPIFFECertValidatorConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js'
import { secretFaults } from '../../../src/xds/checks.ts'

type Type = NonNullable<MessageInitShape<typeof SecretSchema>['type']>

const inline = (text: string) => ({
  specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) },
})
const certificate = '-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n'
const key = '-----BEGIN PRIVATE KEY-----\nQQ==\n-----END PRIVATE KEY-----\n'
const filename = { specifier: { case: 'filename' as const, value: '/etc/passwd' } }

function faults(type: Type | undefined, kind: 'svid' | 'bundle', name = 'a'): readonly string[] {
  const secret = create(SecretSchema, type === undefined ? { name } : { name, type })
  return secretFaults(toBinary(SecretSchema, secret), { name: 'a', kind })
}
const tls = (more: object): Type => ({
  case: 'tlsCertificate',
  value: { certificateChain: inline(certificate), privateKey: inline(key), ...more },
})
const context = (value: object): Type => ({ case: 'validationContext', value })
const spiffe = (
  trustDomains: MessageInitShape<typeof SPIFFECertValidatorConfigSchema>['trustDomains'] & object,
  name = 'envoy.tls.cert_validator.spiffe',
): Type => {
  const config = create(SPIFFECertValidatorConfigSchema, { trustDomains })
  return context({
    customValidatorConfig: { name, typedConfig: anyPack(SPIFFECertValidatorConfigSchema, config) },
  })
}
const domain = { name: 'a.test', trustBundle: inline(certificate) }

test('secretFaults passes what Envoy takes', () => {
  assert.deepEqual(faults(tls({}), 'svid'), [])
  assert.deepEqual(faults(tls({ certificateChain: inline(certificate.repeat(3)) }), 'svid'), [])
  assert.deepEqual(faults(context({ trustedCa: inline(certificate) }), 'bundle'), [])
  assert.deepEqual(faults(spiffe([domain, { ...domain, name: 'b.test' }]), 'bundle'), [])
})

test('secretFaults finds a wrong name, a wrong kind and no type at all', () => {
  assert.equal(faults(tls({}), 'svid', 'b').length, 1)
  assert.equal(faults(tls({}), 'bundle').length, 1)
  assert.equal(faults(context({ trustedCa: inline(certificate) }), 'svid').length, 1)
  assert.equal(faults(undefined, 'bundle').length, 1)
})

test('secretFaults finds a chain or key that is missing, empty, a file, or not PEM of its kind', () => {
  const wrong = [undefined, inline(''), filename, inline('DER'), inline(`${key}${certificate}`)]
  for (const source of wrong) {
    assert.equal(faults(tls({ certificateChain: source }), 'svid').length, 1)
    assert.equal(faults(tls({ privateKey: source }), 'svid').length, 1)
  }
  assert.equal(faults(tls({ certificateChain: inline(`${certificate}x`) }), 'svid').length, 1)
  assert.equal(faults(tls({ certificateChain: inline(`x${certificate}`) }), 'svid').length, 1)
  assert.equal(faults(tls({ privateKey: inline(key + key) }), 'svid').length, 1)
  assert.equal(faults(tls({ privateKey: inline(certificate) }), 'svid').length, 1)
})

test('secretFaults finds a validation context that would let anyone in, or more than it should', () => {
  const trustedCa = inline(certificate)
  assert.equal(faults(context({}), 'bundle').length, 1)
  assert.equal(faults(context({ trustedCa: inline('') }), 'bundle').length, 1)
  assert.equal(faults(context({ trustedCa, allowExpiredCertificate: true }), 'bundle').length, 1)
  const matchTypedSubjectAltNames = [{ sanType: 3 }]
  assert.equal(faults(context({ trustedCa, matchTypedSubjectAltNames }), 'bundle').length, 1)
  assert.equal(faults(tls({ ocspStaple: inline('x') }), 'svid').length, 1)
})

test('secretFaults finds a SPIFFE validator Envoy rejects whole', () => {
  assert.equal(faults(spiffe([]), 'bundle').length, 1)
  assert.equal(faults(spiffe([domain, domain]), 'bundle').length, 1)
  assert.equal(faults(spiffe([{ ...domain, name: '' }]), 'bundle').length, 1)
  assert.equal(
    faults(spiffe([domain, { name: 'b.test', trustBundle: inline('') }]), 'bundle').length,
    1,
  )
  assert.equal(faults(spiffe([domain, { name: 'b.test' }]), 'bundle').length, 1)
  assert.equal(faults(spiffe([domain], 'other'), 'bundle').length, 1)
})

test('secretFaults finds fields Envoy does not know', () => {
  const known = toBinary(SecretSchema, create(SecretSchema, { name: 'a', type: tls({}) }))
  const field99 = Buffer.from([0x98, 0x06, 0x01])
  const bytes = Buffer.concat([known, field99])
  assert.deepEqual(secretFaults(bytes, { name: 'a', kind: 'svid' }), ['has unknown fields'])
})
