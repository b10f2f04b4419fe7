import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import test from 'node:test'
import { fromBinary, toJson } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SPIFFECertValidatorConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js'
import { makeResource, type SecretContent } from '../../../src/xds/secret.ts'

const pem = (label: string, body: string) =>
  `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`
const certificate = (body: string) => pem('CERTIFICATE', body)
const key = pem('PRIVATE KEY', 'S0VZ')
const svid = {
  kind: 'tls-certificate',
  chain: certificate('TEVBRg==') + certificate('SU5U'),
  key,
} as const satisfies SecretContent
const spiffe = (...trustDomains: { name: string; pem: string }[]): SecretContent => ({
  kind: 'spiffe-validator',
  trustDomains,
})
const a = { name: 'a.test', pem: certificate('QQ==') }
const b = { name: 'b.test', pem: certificate('Qg==') }

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('makeResource writes a TLS certificate as inline bytes and nothing else', () => {
  const made = makeResource('default', svid, 1234)
  assert.deepEqual([made?.name, made?.kind, made?.notAfter], ['default', 'svid', 1234])
  assert.deepEqual(toJson(SecretSchema, fromBinary(SecretSchema, made!.bytes)), {
    name: 'default',
    tlsCertificate: {
      certificateChain: { inlineBytes: base64(svid.chain) },
      privateKey: { inlineBytes: base64(key) },
    },
  })
})

test('makeResource writes a validation context as trusted CA and nothing else', () => {
  const made = makeResource('ROOTCA', { kind: 'trusted-ca', pem: a.pem })
  assert.equal(made?.kind, 'bundle')
  assert.deepEqual(toJson(SecretSchema, fromBinary(SecretSchema, made!.bytes)), {
    name: 'ROOTCA',
    validationContext: { trustedCa: { inlineBytes: base64(a.pem) } },
  })
})

test('makeResource writes the SPIFFE validator sorted, without trust domains that have no authorities', () => {
  const made = makeResource('ALL', spiffe(b, { name: 'empty.test', pem: '' }, a))
  const { type } = fromBinary(SecretSchema, made!.bytes)
  assert.ok(type.case === 'validationContext')
  assert.equal(type.value.trustedCa, undefined)
  const custom = type.value.customValidatorConfig
  assert.equal(custom?.name, 'envoy.tls.cert_validator.spiffe')
  const config = anyUnpack(custom!.typedConfig!, SPIFFECertValidatorConfigSchema)
  const domains = config?.trustDomains.map(({ name, trustBundle }) => [
    name,
    Buffer.from(trustBundle?.specifier.value as Uint8Array).toString(),
  ])
  assert.deepEqual(domains, [
    [a.name, a.pem],
    [b.name, b.pem],
  ])
})

test('makeResource never makes an empty validation context', () => {
  const empty = { name: 'empty.test', pem: '' }
  for (const content of [spiffe(), spiffe(empty), { kind: 'trusted-ca', pem: '' } as const])
    assert.equal(makeResource('ALL', content), undefined)
})

test('makeResource gives equal content one version, under any name and in any order', () => {
  const version = (content: SecretContent, name = 'x') => makeResource(name, content)?.version
  assert.equal(version(svid), version(svid, 'default'))
  assert.equal(version(spiffe(a, b)), version(spiffe(b, a)))
  const different = [
    svid,
    { kind: 'tls-certificate', chain: certificate('TEVBRg=='), key } as const,
    { ...svid, key: pem('PRIVATE KEY', 'T1RIRVI=') },
    { kind: 'trusted-ca', pem: a.pem } as const,
    { kind: 'trusted-ca', pem: a.pem + b.pem } as const,
    spiffe(a),
    spiffe({ ...a, name: 'c.test' }),
    spiffe(a, b),
  ]
  assert.equal(new Set(different.map((content) => version(content))).size, different.length)
})

test('makeResource refuses what Envoy would, without showing the content', () => {
  const secret = 'U0VDUkVU'
  const broken = { kind: 'tls-certificate', chain: '', key: pem('PRIVATE KEY', secret) } as const
  assert.throws(
    () => makeResource('default', broken),
    (error: Error & { code?: string }) =>
      error.code === 'internal' &&
      error.message.includes('certificate_chain is empty') &&
      !error.message.includes(secret),
  )
})
