/** The signature algorithms of certificate requests, as DER AlgorithmIdentifiers (RFC 5758 3.2, RFC 4055 5). */
import { objectIdentifier, sequence } from '../der.ts'
import type { KeyPair } from '../keys.ts'

interface SignatureAlgorithm {
  readonly family: 'ec' | 'rsa'
  readonly digest: 'sha256' | 'sha384' | 'sha512'
  readonly identifier: Buffer
}

const NULL = Buffer.from([0x05, 0x00])
const ecdsa = (digest: SignatureAlgorithm['digest'], oid: string): SignatureAlgorithm => ({
  family: 'ec',
  digest,
  identifier: sequence(objectIdentifier(oid)),
})
const rsa = (digest: SignatureAlgorithm['digest'], oid: string): SignatureAlgorithm => ({
  family: 'rsa',
  digest,
  identifier: sequence(objectIdentifier(oid), NULL),
})

const ECDSA_SHA256 = ecdsa('sha256', '1.2.840.10045.4.3.2')
const ECDSA_SHA384 = ecdsa('sha384', '1.2.840.10045.4.3.3')
const RSA_SHA256 = rsa('sha256', '1.2.840.113549.1.1.11')

const READ: readonly SignatureAlgorithm[] = [
  ECDSA_SHA256,
  ECDSA_SHA384,
  ecdsa('sha512', '1.2.840.10045.4.3.4'),
  RSA_SHA256,
  rsa('sha384', '1.2.840.113549.1.1.12'),
  rsa('sha512', '1.2.840.113549.1.1.13'),
]

/** undefined: none that is taken. SHA-1 and PSS are not: no agent or CLI of SPIRE signs with them. */
export function algorithmOf(identifier: Uint8Array): SignatureAlgorithm | undefined {
  return READ.find((known) => known.identifier.equals(identifier))
}

/** The one to sign with: its digest is as strong as the key. */
export function algorithmFor(key: KeyPair): SignatureAlgorithm {
  if (key.type === 'ec-p256') return ECDSA_SHA256
  return key.type === 'ec-p384' ? ECDSA_SHA384 : RSA_SHA256
}
