import type { KeyObject } from 'node:crypto'
import { messageOf } from '../runtime/errors.ts'
import { parseCertificate, type ParsedCertificate } from './certificate.ts'
import { isEcKeyOf, readKeyOf } from './keys.ts'
import { signatureFits } from './verify.ts'

const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']
const MIN_RSA_BITS = 2048

/**
 * Whether Envoy would take this certificate and key (reference table A.4): key fits leaf, leaf first and no CA, a kind
 * and size of key BoringSSL serves, inside its lifetime at `now`. Returns the faults; empty means it may be sent.
 * Envoy itself accepts expired certificates and chains out of order; its peers would not, so they are faults here too.
 */
export function envoyFaults(
  svid: { readonly chain: readonly Uint8Array[]; readonly pkcs8: Uint8Array },
  now: number,
): readonly string[] {
  let chain: readonly ParsedCertificate[]
  try {
    chain = svid.chain.map((der, index) => parseCertificate(der, `certificate ${index + 1}`))
  } catch (thrown) {
    return [messageOf(thrown)]
  }
  const [leaf] = chain
  if (leaf === undefined) return ['there is no certificate']
  return [
    ...leafFaults(leaf),
    ...keyFaults(leaf, svid.pkcs8),
    ...chain.flatMap((certificate, index) => lifetimeFaults(certificate, index, now)),
    ...linkFaults(chain),
  ]
}

function leafFaults(leaf: ParsedCertificate): readonly string[] {
  const faults: string[] = []
  if (leaf.basicConstraints?.ca === true) faults.push('the first certificate is a CA, not a leaf')
  const named = leaf.x509.subjectAltName !== undefined || /(^|, )CN=/.test(leaf.subject)
  if (!named) faults.push('the leaf has neither a subject CN nor a SAN')
  return faults
}

function keyFaults(leaf: ParsedCertificate, pkcs8: Uint8Array): readonly string[] {
  if (isEcKeyOf(leaf.spki, pkcs8)) return []
  let privateKey: KeyObject
  try {
    privateKey = readKeyOf(leaf.x509, pkcs8)
  } catch (thrown) {
    return [messageOf(thrown)]
  }
  const { namedCurve, modulusLength = 0 } = privateKey.asymmetricKeyDetails ?? {}
  const kind = privateKey.asymmetricKeyType ?? 'unknown'
  if (kind === 'ed25519') return []
  if (kind === 'ec') {
    if (namedCurve !== undefined && CURVES.includes(namedCurve)) return []
    return [`Envoy serves no EC key on ${namedCurve ?? 'a curve without a name'}`]
  }
  if (kind !== 'rsa') return [`Envoy serves no key of type ${kind}`]
  if (modulusLength >= MIN_RSA_BITS) return []
  return [`Envoy serves RSA keys of ${MIN_RSA_BITS} bits or more, not ${modulusLength}`]
}

function lifetimeFaults(
  certificate: ParsedCertificate,
  index: number,
  now: number,
): readonly string[] {
  if (now < certificate.notBefore) return [`certificate ${index + 1} is not valid yet`]
  if (now > certificate.notAfter) return [`certificate ${index + 1} has expired`]
  return []
}

function linkFaults(chain: readonly ParsedCertificate[]): readonly string[] {
  return chain.slice(1).flatMap((issuer, index) => {
    const child = chain[index]
    const linked = child?.x509.checkIssued(issuer.x509) === true && signatureFits(child, issuer)
    return linked ? [] : [`certificate ${index + 1} was not issued by certificate ${index + 2}`]
  })
}
