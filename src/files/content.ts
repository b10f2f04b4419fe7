/** What goes into the files, from what the Workload API said. */
import type { X509FilesConfig } from '../config/files/files-config.ts'
import { toPem, verifyX509Svid } from '../certs/parse.ts'
import type { PlacedFile } from '../os/place/staged-file.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { trustDomainOf } from '../spiffe/spiffe-id.ts'
import type { JwtBundle } from '../workload/bundles.ts'
import { jwkSetText } from '../workload/bundles.ts'
import type { X509Svid, X509Update } from '../workload/x509.ts'

interface X509Content {
  readonly svid: X509Svid
  /** In the order in which they are put in place: who reads the new certificate finds the CAs that its peers need. */
  readonly files: readonly PlacedFile[]
  /** Of `federatedFolder`. */
  readonly federated: readonly PlacedFile[]
  /** What peers may have to say against it; undefined: nothing. */
  readonly doubt: string | undefined
}

/**
 * @throws SpindleError `no_identity` where the caller has not the one that is wanted, `agent_failed` where it cannot be used
 */
export function x509Content(update: X509Update, config: X509FilesConfig, now: number): X509Content {
  const svid = chosen(update, config)
  if (now > svid.notAfter)
    throw new SpindleError('agent_failed', `the certificate of ${svid.spiffeId} has expired`)
  const { certFile, keyFile, bundleFile, combinedFile, certMode, keyMode } = config
  const chain = pem(svid.chain)
  const key = toPem(svid.privateKey, 'PRIVATE KEY')
  const federated = [...update.federatedBundles].sort(([a], [b]) => (a < b ? -1 : 1))
  const trusted = config.includeFederated ? federated.flatMap(([, bundle]) => bundle) : []
  const file = (name: string | undefined, content: string, mode: number): readonly PlacedFile[] =>
    name === undefined ? [] : [{ name, content, mode }]
  return {
    svid,
    files: [
      ...file(bundleFile, pem([...svid.bundle, ...trusted]), certMode),
      ...file(combinedFile, key + chain, keyMode),
      ...file(keyFile, key, keyMode),
      ...file(certFile, chain, certMode),
    ],
    federated: federated.map(([trustDomain, bundle]) => ({
      name: `${trustDomain}.pem`,
      content: pem(bundle),
      mode: certMode,
    })),
    doubt: doubtOf(svid, now),
  }
}

function chosen({ svids }: X509Update, { spiffeId, hint }: X509FilesConfig): X509Svid {
  if (spiffeId === undefined && hint === undefined) return svids[0]
  const found = svids.find((svid) =>
    spiffeId === undefined ? svid.hint === hint : svid.spiffeId === spiffeId,
  )
  if (found !== undefined) return found
  const wanted = spiffeId ?? `the hint ${JSON.stringify(hint)}`
  const given = svids.map((svid) => svid.spiffeId + (svid.hint === '' ? '' : ` (${svid.hint})`))
  throw new SpindleError(
    'no_identity',
    `the agent gives no identity of ${wanted}, but ${given.slice(0, 10).join(', ')}`,
  )
}

/** Each certificate once. */
function pem(certificates: readonly Buffer[]): string {
  return Array.from(new Set(certificates.map((der) => toPem(der, 'CERTIFICATE')))).join('')
}

function doubtOf({ chain, bundle, spiffeId }: X509Svid, now: number): string | undefined {
  try {
    verifyX509Svid(chain, new Map([[trustDomainOf(spiffeId), bundle]]), { now, mode: 'lenient' })
    return undefined
  } catch (thrown) {
    return messageOf(thrown)
  }
}

/** @throws SpindleError `not_ready` where the trust domain has no bundle, or none yet */
export function jwkSet(
  bundles: ReadonlyMap<TrustDomain, JwtBundle>,
  trustDomain: TrustDomain,
): string {
  const bundle = bundles.get(trustDomain)
  if (bundle === undefined)
    throw new SpindleError('not_ready', `the agent gives no JWT bundle of ${trustDomain}`)
  return jwkSetText(bundle)
}
