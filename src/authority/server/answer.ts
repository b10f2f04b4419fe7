/** What a server above answers with is input from outside: nothing of it is used before all of it was checked. */
import type { ParsedCertificate } from '../../certs/certificate.ts'
import { parseCertificate, usableTrustAnchors } from '../../certs/parse.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { trustDomainId, type TrustDomain } from '../../spiffe/spiffe-id.ts'
import { signingCertificateFaults } from '../../spiffe/x509-svid.ts'
import { pathLengthFault, pathToAnchor } from '../chain.ts'
import type { PathToAnchor } from '../chain.ts'
import { unavailable } from './upstream.ts'
import type { UpstreamCa } from './upstream.ts'

/** Real chains have two or three certificates, bundles a handful. */
const MAX_CHAIN = 8
const MAX_ROOTS = 256
const CHAIN = 'the CA certificate of the upstream server'

/** Those that may sign; others are passed over. @throws SpindleError `authority_unavailable` where none is left. */
export function usableRoots(roots: readonly Buffer[]): readonly Buffer[] {
  if (roots.length > MAX_ROOTS)
    throw unavailable(`the upstream server has more than ${MAX_ROOTS} roots`)
  const { anchors } = usableTrustAnchors(roots)
  if (anchors.length === 0) throw unavailable('the upstream server has no root that may sign')
  return anchors.map((der) => Buffer.from(der))
}

/**
 * The path from the certificate for `spki` to a root that came with it.
 * @throws SpindleError `certificate_invalid`; `authority_unavailable` where only its life does not fit
 */
export function checkedPath(
  { chain, roots }: UpstreamCa,
  wanted: {
    readonly spki: Buffer
    readonly trustDomain: TrustDomain
    readonly now: number
    readonly leastLifeMs: number
  },
): PathToAnchor {
  if (chain.length > MAX_CHAIN) throw invalid(`comes with more than ${MAX_CHAIN - 1} others`)
  const facts = chain.map((der) => parseCertificate(der, CHAIN))
  const [own] = facts
  if (own === undefined) throw invalid('is missing')
  const id = trustDomainId(wanted.trustDomain)
  if (!own.spki.equals(wanted.spki)) throw invalid('is for another key')
  if (own.uriSans.length !== 1 || own.uriSans[0] !== id) throw invalid(`is not one of ${id}`)
  const fault = facts.flatMap((each) => signingCertificateFaults(each, 'external'))[0]
  if (fault !== undefined) throw invalid(`or one above it may not sign: ${fault}`)
  const path = pathToAnchor(chain, roots)
  if (path === undefined || path.sent.length === 0) throw invalid('leads to no root of it')
  if (pathLengthFault([...path.sent.slice(1), path.anchor]) !== undefined)
    throw invalid('is below one whose pathLenConstraint allows none')
  checkLife(facts.slice(0, path.sent.length), path, wanted)
  return path
}

function checkLife(
  sent: readonly ParsedCertificate[],
  path: PathToAnchor,
  { now, leastLifeMs }: { readonly now: number; readonly leastLifeMs: number },
): void {
  const root = parseCertificate(path.anchor, CHAIN)
  const notAfter = Math.min(...sent.map((each) => each.notAfter))
  if ([...sent, root].some((each) => each.notBefore > now))
    throw unavailable(`${CHAIN} is not valid yet: do the clocks differ?`)
  if (notAfter - now < leastLifeMs) throw unavailable(`${CHAIN} ends too soon to be of use`)
  // XL-13: what this certificate signs must not outlive anything above it.
  if (root.notAfter < notAfter) throw unavailable(`${CHAIN} would outlive its root`)
}

function invalid(fault: string): SpindleError {
  return new SpindleError('certificate_invalid', `${CHAIN} ${fault}`)
}
