import { createPublicKey, type KeyObject } from 'node:crypto'
import { ecTypeOf } from '../keys.ts'
import { toPem } from '../pem.ts'

export interface PublicKey {
  readonly family: 'ec' | 'rsa'
  readonly key: KeyObject
}

const ALLOWED = 'EC P-256, EC P-384 or RSA of 2048 to 4096 bits'
const RSA_BITS = { least: 2048, most: 4096 }
/** Go takes none above, and a longer one makes each verification dear. */
const MOST_EXPONENT = 2n ** 31n

/**
 * A key somebody else made, of a kind that certificates are issued for.
 * @param spki DER SubjectPublicKeyInfo; an EC point uncompressed, on a named curve
 * @throws Error with what is wrong
 */
export function readPublicKey(spki: Uint8Array): PublicKey {
  const der = Buffer.from(spki)
  const ec = ecTypeOf(der) !== undefined
  let key: KeyObject
  try {
    // As text: of DER, which comes in an object, Node finds by two exceptions that it is no key yet, which take as long as the rest.
    key = createPublicKey(toPem(der, 'PUBLIC KEY'))
  } catch {
    // OpenSSL's own message names its decoder; here a point beside its curve is found too.
    throw new Error(`the public key cannot be read; ${ALLOWED} is allowed`)
  }
  if (ec) return { family: 'ec', key }
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType !== 'rsa' || !exactly(key, der))
    throw new Error(`the public key must be ${ALLOWED}, in DER`)
  if (modulusLength < RSA_BITS.least || modulusLength > RSA_BITS.most)
    throw new Error(`the public key is RSA of ${modulusLength} bits; ${ALLOWED} is allowed`)
  // With an exponent of 1 everybody can sign.
  if (publicExponent < 3n || publicExponent % 2n === 0n || publicExponent >= MOST_EXPONENT)
    throw new Error('the exponent of the public key is not an odd number from 3 to 2^31')
  return { family: 'rsa', key }
}

/** OpenSSL reads more than DER; what it writes of the same key is DER. */
const exactly = (key: KeyObject, der: Buffer): boolean =>
  key.export({ type: 'spki', format: 'der' }).equals(der)
