import assert from 'node:assert/strict'
import test from 'node:test'
import { classifyNack } from '../../../src/xds/nack.ts'

// What Envoy 1.40 said (reference envoy-sds A.4), shortened.
const SEEN = [
  [
    'Failed to load private key from <inline>, Cause: error:0b000074:KEY_VALUES_MISMATCH',
    'key_mismatch',
  ],
  ['Failed to load certificate chain from <inline>', 'chain_unreadable'],
  ['Failed to load incomplete private key from path: ', 'key_unreadable'],
  ['Failed to load private key from <inline>, Cause: BAD_DECRYPT', 'key_unreadable'],
  ['only RSA certificates with 2048-bit or larger keys are supported', 'key_kind'],
  ['only P-256, P-384 or P-521 ECDSA certificates are supported', 'key_kind'],
  ['the certificate has neither subject CN nor SAN names', 'no_subject'],
  ['Failed to load trusted CA certificates from <inline>', 'ca_unreadable'],
  ['SAN-based verification of peer certificates without trusted CA is insecure', 'san_matcher'],
  ['Proto constraint validation failed (Secret: -----BEGIN PRIVATE KEY-----', 'constraint'],
  ['DataSource cannot be empty', 'constraint'],
  [
    'Protobuf message (type …Secret with unknown field set {9}) has unknown fields',
    'unknown_field',
  ],
  ['type URL  embedded in an individual Any does not match', 'type_mismatch'],
  ['Unexpected SDS secret (expecting a): b', 'name_mismatch'],
  ['duplicate name a found among added/updated resources', 'name_mismatch'],
  ['Failed to load CRL from <inline>', 'crl'],
  ['OCSP response does not match its TLS certificate', 'ocsp'],
  ['Failed to load private key provider: cryptomb', 'provider'],
  ['unable to add filesystem watch for file /x: No such file', 'file'],
  ['', 'other'],
  ['something new', 'other'],
] as const

test('classifyNack knows the phrases Envoy has been seen to use', () => {
  for (const [text, meaning] of SEEN) assert.equal(classifyNack(text), meaning, text)
})

test('classifyNack goes by the constraint, not by the secret quoted after it', () => {
  const text = 'Proto constraint validation failed (name: "KEY_VALUES_MISMATCH Failed to load CRL")'
  assert.equal(classifyNack(text), 'constraint')
})

test('classifyNack tells a secret asked for as another kind from one that is wrong', () => {
  const key = 'Failed to load incomplete private key from path: '
  const san = 'SAN-based verification of peer certificates without trusted CA is insecure'
  assert.deepEqual(
    [classifyNack(key, 'bundle'), classifyNack(key, 'svid')],
    ['type_mismatch', 'key_unreadable'],
  )
  assert.deepEqual(
    [classifyNack(san, 'svid'), classifyNack(san, 'bundle')],
    ['type_mismatch', 'san_matcher'],
  )
})
