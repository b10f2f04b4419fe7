import { createPublicKey } from 'node:crypto'
import { usableTrustAnchors } from '../../../../certs/parse.ts'
import type { Bundle as BundleMessage, JWTKey } from '../../../../gen/spire/api/types/bundle_pb.js'
import { SpindleError } from '../../../../runtime/errors.ts'
import { parseTrustDomain } from '../../../../spiffe/spiffe-id.ts'
import type { ServedBundle } from '../link.ts'

/** Real bundles have a handful. */
const MOST_AUTHORITIES = 1_000

/**
 * A bundle as a server says it. An authority that cannot be used is passed over alone, and `ignored` says so, one line each.
 * @throws SpindleError where the trust domain has no name
 */
export function readServedBundle(message: BundleMessage): {
  readonly served: ServedBundle
  readonly ignored: readonly string[]
} {
  const trustDomain = parseTrustDomain(message.trustDomain)
  const { x509Authorities, jwtAuthorities, refreshHint, sequenceNumber } = message
  if (x509Authorities.length + jwtAuthorities.length > MOST_AUTHORITIES)
    throw new SpindleError('bundle_invalid', `it has more than ${MOST_AUTHORITIES} authorities`)
  const { anchors, warnings } = usableTrustAnchors(x509Authorities.map(({ asn1 }) => asn1))
  const ignored = [...warnings]
  const keys = new Map<string, { readonly jwk: Jwk; readonly tainted: boolean }>()
  for (const key of jwtAuthorities) {
    const jwk = jwkOf(key)
    if (typeof jwk === 'string') ignored.push(`JWT authority ${keys.size + 1} ${jwk}`)
    else keys.set(key.keyId, { jwk, tainted: key.tainted })
  }
  const tainted = x509Authorities.filter((one) => one.tainted).map(({ asn1 }) => asn1)
  const served: ServedBundle = {
    bundle: {
      trustDomain,
      x509Authorities: anchors,
      jwtAuthorities: Array.from(keys.values(), ({ jwk }) => jwk),
      sequence: sequenceNumber,
      ...(refreshHint > 0n && { refreshHintSeconds: Number(refreshHint) }),
    },
    taintedX509: anchors.filter((der) => tainted.some((one) => Buffer.compare(one, der) === 0)),
    taintedJwt: Array.from(keys).flatMap(([kid, key]) => (key.tainted ? [kid] : [])),
  }
  return { served, ignored }
}

type Jwk = Readonly<Record<string, string>>

/** Or why it is passed over. Of the algorithm a server says nothing: it goes with the key. */
function jwkOf({ keyId, publicKey }: JWTKey): Jwk | string {
  if (keyId === '') return 'has no key id: it is passed over'
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' })
    const kind = key.asymmetricKeyType
    if (kind !== 'ec' && kind !== 'rsa') return `is of the kind ${kind}: it is passed over`
    if (kind === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
      return 'is an RSA key shorter than 2048 bits: it is passed over'
    return { use: 'jwt-svid', kid: keyId, ...(key.export({ format: 'jwk' }) as Jwk) }
  } catch {
    return 'is no public key: it is passed over'
  }
}
