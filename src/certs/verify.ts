import { SpindleError } from '../runtime/errors.ts'
import { trustDomainOf, type SpiffeId, type TrustDomain } from '../spiffe/spiffe-id.ts'
import { leafFaults, spiffeIdOf } from '../spiffe/x509-svid.ts'
import { parseCertificate, type ParsedCertificate } from './certificate.ts'

/** Bounds on what a hostile chain can make us do; real chains have two or three certificates. */
const MAX_CHAIN = 16
const MAX_SIGNATURE_CHECKS = 100

/**
 * Validates an X.509-SVID chain (leaf first) against the authorities of its own trust domain, never against those of
 * another (XV-7). `lenient` holds what X509-SVID 5.2 demands, `strict` also key usage and extended key usage (XV-10).
 * @returns its SPIFFE ID. @throws SpindleError `certificate_invalid`
 */
export function verifyX509Svid(
  chain: readonly Uint8Array[],
  bundles: ReadonlyMap<TrustDomain, readonly Uint8Array[]>,
  options: { readonly now: number; readonly mode: 'lenient' | 'strict' },
): SpiffeId {
  if (chain.length > MAX_CHAIN) throw invalid(`the chain is longer than ${MAX_CHAIN} certificates`)
  const [leaf, ...intermediates] = chain.map((der, index) =>
    parseCertificate(der, `certificate ${index + 1} of the chain`),
  )
  if (leaf === undefined) throw invalid('the chain is empty')
  const faults = leafFaults(leaf, options.mode)
  if (faults.length > 0) throw invalid(`not an X.509-SVID: ${faults.join('; ')}`)
  const spiffeId = spiffeIdOf(leaf)
  const trustDomain = trustDomainOf(spiffeId)
  const authorities = (bundles.get(trustDomain) ?? []).flatMap(readable)
  if (authorities.length === 0)
    throw invalid(`${spiffeId}: no authorities of ${trustDomain} are known`)
  const ownFault = commonFault(leaf, options.now)
  if (ownFault !== undefined) throw invalid(`${spiffeId}: its certificate ${ownFault}`)

  const search = { intermediates, authorities, now: options.now, checksLeft: MAX_SIGNATURE_CHECKS }
  const reasons = new Set<string>()
  if (!reachesAuthority({ search, path: [leaf], reasons })) {
    const why = reasons.size === 0 ? 'none of them issued it' : [...reasons].join('; ')
    throw invalid(`${spiffeId}: no valid path to an authority of ${trustDomain}: ${why}`)
  }
  return spiffeId
}

/**
 * Validates a certificate of any kind (RFC 5280 6.1), whatever its purposes.
 * @returns what is above it on its valid paths, anchors included. @throws SpindleError `certificate_invalid`
 */
export function issuersOf(
  leaf: ParsedCertificate,
  above: {
    readonly intermediates: readonly ParsedCertificate[]
    /** DER. */
    readonly anchors: readonly Uint8Array[]
    readonly now: number
  },
): readonly ParsedCertificate[] {
  const { intermediates, anchors, now } = above
  const authorities = anchors.flatMap(readable)
  const ownFault = commonFault(leaf, now)
  if (ownFault !== undefined) throw invalid(`the certificate ${ownFault}`)
  const search = { intermediates, authorities, now, checksLeft: MAX_SIGNATURE_CHECKS }
  const reasons = new Set<string>()
  const issuers = new Set<ParsedCertificate>()
  if (collectIssuers({ search, path: [leaf], reasons }, issuers)) return Array.from(issuers)
  const why = reasons.size === 0 ? 'no known CA issued it' : [...reasons].join('; ')
  throw invalid(`there is no valid path to a known CA: ${why}`)
}

/** Like `reachesAuthority`, but every way. */
function collectIssuers(step: Step, issuers: Set<ParsedCertificate>): boolean {
  const { search, path } = step
  const next = search.intermediates.filter((one) => !path.includes(one) && issued(step, one))
  const onTheWay = next.filter((one) => collectIssuers({ ...step, path: [...path, one] }, issuers))
  const anchors = search.authorities.filter((authority) => issued(step, authority))
  for (const issuer of [...onTheWay, ...anchors]) issuers.add(issuer)
  return onTheWay.length + anchors.length > 0
}

/** An authority that cannot be read vouches for nothing; the others of its bundle still do. */
function readable(der: Uint8Array): readonly ParsedCertificate[] {
  try {
    return [parseCertificate(der, 'an authority')]
  } catch {
    return []
  }
}

interface Step {
  readonly search: {
    readonly intermediates: readonly ParsedCertificate[]
    readonly authorities: readonly ParsedCertificate[]
    readonly now: number
    checksLeft: number
  }
  /** Leaf first; every certificate was issued by the one after it. */
  readonly path: readonly ParsedCertificate[]
  /** Why certificates that could have continued the path could not. */
  readonly reasons: Set<string>
}

/** Depth first, because a chain may hold certificates that lead nowhere (cross-signed or superseded ones). */
function reachesAuthority(step: Step): boolean {
  const { search, path } = step
  if (search.authorities.some((authority) => issued(step, authority))) return true
  return search.intermediates.some(
    (next) =>
      !path.includes(next) &&
      issued(step, next) &&
      reachesAuthority({ ...step, path: [...path, next] }),
  )
}

/** Whether `issuer` validly issued the last certificate of the path (RFC 5280 6.1.3 and 6.1.4). */
function issued(step: Step, issuer: ParsedCertificate): boolean {
  const { search, path, reasons } = step
  const child = path.at(-1)
  if (child === undefined || !child.x509.checkIssued(issuer.x509)) return false
  const fault = commonFault(issuer, search.now) ?? signingFault(issuer, path)
  if (fault !== undefined) {
    reasons.add(`the issuer "${issuer.subject}" ${fault}`)
    return false
  }
  if (search.checksLeft-- <= 0) {
    reasons.add('too many signatures to check')
    return false
  }
  if (!signatureFits(child, issuer)) {
    reasons.add(`the signature of "${issuer.subject}" does not fit`)
    return false
  }
  return true
}

/** What any certificate of a path must keep. */
function commonFault(certificate: ParsedCertificate, now: number): string | undefined {
  if (now < certificate.notBefore) return 'is not valid yet'
  if (now > certificate.notAfter) return 'has expired'
  const [oid] = certificate.unhandledCritical
  if (oid !== undefined) return `has the critical extension ${oid}, which is not supported`
  // Not to apply a limit would be to accept what it forbids.
  if (certificate.nameConstraints) return 'has name constraints, which are not supported'
  return undefined
}

function signingFault(
  issuer: ParsedCertificate,
  path: readonly ParsedCertificate[],
): string | undefined {
  const { basicConstraints, keyUsage } = issuer
  if (basicConstraints?.ca !== true) return 'is not a CA'
  if (keyUsage !== undefined && !keyUsage.usages.includes('keyCertSign')) {
    return 'may not sign certificates'
  }
  // The leaf and self-issued certificates do not count (RFC 5280 4.2.1.9).
  const below = path.slice(1).filter(({ subject, issuer: by }) => subject !== by).length
  const { pathLen } = basicConstraints
  if (pathLen !== undefined && below > pathLen)
    return `allows ${pathLen} CAs below it, not ${below}`
  return undefined
}

/** Whether the key of `issuer` made the signature of `child`. */
export function signatureFits(child: ParsedCertificate, issuer: ParsedCertificate): boolean {
  try {
    return child.x509.verify(issuer.x509.publicKey)
  } catch {
    return false
  }
}

function invalid(message: string): SpindleError {
  return new SpindleError('certificate_invalid', message)
}
