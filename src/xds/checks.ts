import { Buffer } from 'node:buffer'
import { create, equals, fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import type { DataSource } from '#envoy/config/core/v3/base_pb.js'
import {
  CertificateValidationContextSchema,
  TlsCertificateSchema,
  type CertificateValidationContext,
  type TlsCertificate,
} from '#envoy/extensions/transport_sockets/tls/v3/common_pb.js'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SPIFFECertValidatorConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js'
import type { Resource } from './resource.ts'

/**
 * What is wrong with the form of a serialised secret: everything about it that Envoy would reject, or worse accept
 * (reference envoy-sds A.4, A.6), read back from the bytes that will be sent. Whether key, chain and dates fit is
 * asked where certificates are parsed. A constraint failure makes Envoy print the secret with its key, so it must
 * never get that far.
 * @returns one phrase a fault, empty when there is none; no phrase holds content
 */
export function secretFaults(
  bytes: Uint8Array,
  expected: { readonly name: string; readonly kind: Resource['kind'] },
): readonly string[] {
  const secret = fromBinary(SecretSchema, bytes)
  const faults: string[] = []
  if (secret.name === '' || secret.name !== expected.name) faults.push('is not named as asked for')
  if (secret.$unknown !== undefined) faults.push('has unknown fields')
  const { type } = secret
  if (expected.kind === 'svid' && type.case === 'tlsCertificate')
    faults.push(...certificateFaults(type.value))
  else if (expected.kind === 'bundle' && type.case === 'validationContext')
    faults.push(...contextFaults(type.value))
  else faults.push(`is a ${type.case ?? 'secret of no type'} where a ${expected.kind} is meant`)
  return faults
}

function certificateFaults(certificate: TlsCertificate): readonly string[] {
  const { certificateChain, privateKey } = certificate
  const allowed = create(TlsCertificateSchema)
  if (certificateChain !== undefined) allowed.certificateChain = certificateChain
  if (privateKey !== undefined) allowed.privateKey = privateKey
  return [
    ...pemFaults('certificate_chain', 'CERTIFICATE', certificateChain),
    ...pemFaults('private_key', 'PRIVATE KEY', privateKey),
    ...(equals(TlsCertificateSchema, certificate, allowed) ? [] : ['says more than chain and key']),
  ]
}

function contextFaults(context: CertificateValidationContext): readonly string[] {
  const { trustedCa, customValidatorConfig } = context
  if ((trustedCa === undefined) === (customValidatorConfig === undefined))
    return ['needs either trusted_ca or the SPIFFE validator']
  const allowed = create(CertificateValidationContextSchema)
  if (trustedCa !== undefined) allowed.trustedCa = trustedCa
  if (customValidatorConfig !== undefined) allowed.customValidatorConfig = customValidatorConfig
  const faults = equals(CertificateValidationContextSchema, context, allowed)
    ? []
    : ['says more than whom to trust']
  if (trustedCa !== undefined)
    return [...faults, ...pemFaults('trusted_ca', 'CERTIFICATE', trustedCa)]
  const packed = customValidatorConfig?.typedConfig
  const config = packed && anyUnpack(packed, SPIFFECertValidatorConfigSchema)
  if (config === undefined || customValidatorConfig?.name !== 'envoy.tls.cert_validator.spiffe')
    return [...faults, 'names another validator than the SPIFFE one']
  const names = config.trustDomains.map(({ name }) => name)
  if (names.length === 0) faults.push('trusts no trust domain')
  if (names.includes('')) faults.push('has a trust domain without a name')
  if (new Set(names).size !== names.length) faults.push('has a trust domain twice')
  return [
    ...faults,
    ...config.trustDomains.flatMap(({ trustBundle }) =>
      pemFaults('trust_bundle', 'CERTIFICATE', trustBundle),
    ),
  ]
}

/** Envoy refuses DER and anything that is not PEM from the first block to the last; files are not ours to name. */
function pemFaults(
  field: string,
  label: string,
  source: DataSource | undefined,
): readonly string[] {
  if (source?.specifier.case !== 'inlineBytes') return [`${field} is not inline`]
  const text = Buffer.from(source.specifier.value).toString('latin1')
  if (text === '') return [`${field} is empty`]
  const blocks = text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----\s*/g)
  let covered = 0
  let count = 0
  for (const [block, kind] of blocks) {
    if (kind !== label) break
    covered += block.length
    count += 1
  }
  if (covered !== text.length) return [`${field} is not PEM of ${label} alone`]
  if (label === 'PRIVATE KEY' && count > 1) return [`${field} holds more than one key`]
  return []
}
