import type { Resource } from './resource.ts'

/** Why an Envoy rejected a response, as a closed set for metrics and tables (reference envoy-sds A.4). */
export type NackClass =
  | 'key_mismatch'
  | 'chain_unreadable'
  | 'key_unreadable'
  | 'key_kind'
  | 'no_subject'
  | 'ca_unreadable'
  | 'san_matcher'
  | 'constraint'
  | 'unknown_field'
  | 'type_mismatch'
  | 'name_mismatch'
  | 'crl'
  | 'ocsp'
  | 'provider'
  | 'file'
  | 'other'

/**
 * First match wins. Constraint failures come first because their text quotes the whole secret, which may contain
 * any other phrase; the rest goes from the cause ("KEY_VALUES_MISMATCH") to what was being done when it appeared.
 */
const PHRASES: readonly (readonly [phrase: string, meaning: NackClass])[] = [
  ['Proto constraint validation failed', 'constraint'],
  ['DataSource cannot be empty', 'constraint'],
  ['unknown fields', 'unknown_field'],
  ['KEY_VALUES_MISMATCH', 'key_mismatch'],
  ['private key provider', 'provider'],
  ['2048-bit or larger', 'key_kind'],
  ['ECDSA certificates are supported', 'key_kind'],
  ['neither subject CN nor SAN', 'no_subject'],
  ['Failed to load trusted CA', 'ca_unreadable'],
  ['Failed to load CRL', 'crl'],
  ['SAN-based verification', 'san_matcher'],
  ['OCSP', 'ocsp'],
  ['Failed to load certificate chain', 'chain_unreadable'],
  ['Failed to load incomplete private key', 'key_unreadable'],
  ['Failed to load private key', 'key_unreadable'],
  ['filesystem watch', 'file'],
  ['Unexpected SDS secret', 'name_mismatch'],
  ['duplicate name', 'name_mismatch'],
  ['does not match', 'type_mismatch'],
]

/**
 * The class of an error_detail's text. The text itself never leaves: it may hold the private key.
 * @param kind what was rejected, where it was one kind: a bundle that lacks a private key, or an SVID that lacks a
 *   trusted CA, was asked for as the other kind of secret.
 */
export function classifyNack(text: string, kind?: Resource['kind']): NackClass {
  const found = PHRASES.find(([phrase]) => text.includes(phrase))?.[1] ?? 'other'
  if (kind === 'bundle' && CERTIFICATE_CLASSES.has(found)) return 'type_mismatch'
  if (kind === 'svid' && VALIDATION_CLASSES.has(found)) return 'type_mismatch'
  return found
}

const CERTIFICATE_CLASSES: ReadonlySet<NackClass> = new Set(['key_unreadable', 'chain_unreadable'])
const VALIDATION_CLASSES: ReadonlySet<NackClass> = new Set(['san_matcher', 'ca_unreadable'])
