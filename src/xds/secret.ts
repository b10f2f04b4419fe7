import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { type CertificateValidationContextSchema } from '#envoy/extensions/transport_sockets/tls/v3/common_pb.js'
import { SecretSchema } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { SPIFFECertValidatorConfigSchema } from '#envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.js'
import { SpindleError } from '../runtime/errors.ts'
import { secretFaults } from './checks.ts'
import type { Resource } from './resource.ts'

/** What a secret says, before it has a name. All PEM. */
export type SecretContent =
  | {
      readonly kind: 'tls-certificate'
      /** Leaf first. */
      readonly chain: string
      /** PKCS#8. Secret. */
      readonly key: string
    }
  | { readonly kind: 'trusted-ca'; readonly pem: string }
  /** At least one, each with at least one certificate. */
  | {
      readonly kind: 'spiffe-validator'
      readonly trustDomains: readonly { readonly name: string; readonly pem: string }[]
    }

/**
 * The named secret, serialised and checked by the rules Envoy applies to its form.
 * @param notAfter ms since the epoch, of an SVID
 * @returns undefined for a validation context in which nothing is left: Envoy would take it and stop verifying peers
 * @throws SpindleError `internal` naming the rule that is broken, never the content
 */
export function makeResource(
  name: string,
  content: SecretContent,
  notAfter?: number,
): Resource | undefined {
  const whole = withoutEmptyDomains(content)
  if (whole === undefined) return undefined
  const bytes = encodeSecret(name, whole)
  const kind = whole.kind === 'tls-certificate' ? 'svid' : 'bundle'
  const faults = secretFaults(bytes, { name, kind })
  if (faults.length > 0)
    throw new SpindleError('internal', `secret ${JSON.stringify(name)}: ${faults.join('; ')}`)
  const version = contentVersion(whole)
  return notAfter === undefined
    ? { name, version, bytes, kind }
    : { name, version, bytes, kind, notAfter }
}

function withoutEmptyDomains(content: SecretContent): SecretContent | undefined {
  if (content.kind === 'tls-certificate') return content
  if (content.kind === 'trusted-ca') return content.pem === '' ? undefined : content
  const trustDomains = content.trustDomains
    .filter(({ pem }) => pem !== '')
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return trustDomains.length === 0 ? undefined : { kind: content.kind, trustDomains }
}

/** Hex digest of what is said and how, under whatever name. JSON keeps the parts apart. */
function contentVersion(content: SecretContent): string {
  switch (content.kind) {
    case 'tls-certificate':
      return hash('sha256', JSON.stringify([content.kind, content.chain, content.key]))
    case 'trusted-ca':
      return hash('sha256', JSON.stringify([content.kind, content.pem]))
    case 'spiffe-validator': {
      const pairs = content.trustDomains.map(({ name, pem }) => [name, pem])
      return hash('sha256', JSON.stringify([content.kind, pairs]))
    }
  }
}

function encodeSecret(name: string, content: SecretContent): Uint8Array {
  if (content.kind !== 'tls-certificate') {
    const value = validationContext(content)
    const secret = create(SecretSchema, { name, type: { case: 'validationContext', value } })
    return toBinary(SecretSchema, secret)
  }
  const value = { certificateChain: inline(content.chain), privateKey: inline(content.key) }
  return toBinary(
    SecretSchema,
    create(SecretSchema, { name, type: { case: 'tlsCertificate', value } }),
  )
}

/** Trust material alone: SAN matchers and booleans would widen what the operator's own context allows. */
function validationContext(
  content: Exclude<SecretContent, { kind: 'tls-certificate' }>,
): MessageInitShape<typeof CertificateValidationContextSchema> {
  if (content.kind === 'trusted-ca') return { trustedCa: inline(content.pem) }
  const config = create(SPIFFECertValidatorConfigSchema, {
    trustDomains: content.trustDomains.map(({ name, pem }) => ({ name, trustBundle: inline(pem) })),
  })
  return {
    customValidatorConfig: {
      name: 'envoy.tls.cert_validator.spiffe',
      typedConfig: anyPack(SPIFFECertValidatorConfigSchema, config),
    },
  }
}

function inline(pem: string) {
  return { specifier: { case: 'inlineBytes' as const, value: Buffer.from(pem) } }
}
