/** An operator's CA as it lies on disk: read, and checked as a whole, so that every fault is told at once. */
import { hash } from 'node:crypto'
import { createIssuer } from '../certs/issuer.ts'
import type { Issuer } from '../certs/issuer.ts'
import { readKeyPem } from '../certs/keys.ts'
import { parseCertificate, readCertificatesPem, readTrustAnchorsPem } from '../certs/parse.ts'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import { signingCertificateFaults } from '../spiffe/x509-svid.ts'
import { pathLengthFault, pathToAnchor, signedBy } from './chain.ts'

export interface DiskMaterial {
  /** PEM: the signing certificate, then any certificates between it and the anchor. */
  readonly certFile: string
  readonly keyFile: string
  /** Permission bits of the key file. */
  readonly keyFileMode: number
  /** PEM of the trust anchors; undefined: not configured. */
  readonly bundleFile?: string
}

export interface DiskFiles {
  /** @throws SpindleError `config_invalid` naming the file that cannot be read. */
  read(): DiskMaterial | Promise<DiskMaterial>
  watch(run: () => void): () => void
}

/** An operator's CA that may be used. */
export interface AttachedCa {
  readonly issuer: Issuer
  /** What is sent after Spindle's own intermediate: the operator's intermediates. */
  readonly sent: readonly Buffer[]
  readonly anchors: readonly Buffer[]
  /** Of the certificate that ends first on the path up to and with the anchor (ms since the epoch). */
  readonly notBefore: number
  readonly notAfter: number
}

interface Limits {
  readonly now: number
  readonly svidTtlMs: number
}

export const digestOf = (der: Buffer): string => hash('sha256', der, 'hex')

/** @throws SpindleError `config_invalid` with every fault, one a line. */
export function attachedCa(material: DiskMaterial, limits: Limits): AttachedCa {
  const faults: string[] = []
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (thrown) {
      faults.push(messageOf(thrown))
      return undefined
    }
  }
  // Group read stays the operator's choice: Kubernetes gives mounted keys to the pod's group so.
  if ((material.keyFileMode & 0o037) !== 0) {
    const mode = (material.keyFileMode & 0o777).toString(8).padStart(4, '0')
    faults.push(`authority.keyFile: mode ${mode} lets others at the key; allowed is 0600 or 0640`)
  }
  const chain = attempt(() => readCertificatesPem(material.certFile, 'authority.certFile')) ?? []
  const key = attempt(() => readKeyPem(material.keyFile, 'authority.keyFile'))
  const [own] = chain
  const issuer =
    own && key && attempt(() => createIssuer(own, key, 'authority.certFile and keyFile'))
  const anchors = own && attempt(() => anchorsOf(own, material.bundleFile))
  const path = anchors && attempt(() => trustedPath(chain, anchors, limits))
  if (issuer === undefined || anchors === undefined || path === undefined || faults.length > 0) {
    throw new SpindleError('config_invalid', faults.join('\n'))
  }
  return { issuer, anchors, ...path }
}

/** Why `ca` will soon be of no use; undefined: it outlasts an SVID. */
export function endingFault(ca: Pick<AttachedCa, 'notAfter'>, limits: Limits): string | undefined {
  if (ca.notAfter - limits.now >= limits.svidTtlMs) return undefined
  const end = new Date(ca.notAfter).toISOString()
  return `authority.certFile: the CA or its anchor ends ${end}, within svid.ttl`
}

function anchorsOf(own: Buffer, bundleFile: string | undefined): readonly Buffer[] {
  if (bundleFile !== undefined) {
    return readTrustAnchorsPem(bundleFile, 'authority.bundleFile').anchors.map(({ der }) => der)
  }
  if (signedBy(own, own)) return [own]
  throw new SpindleError(
    'config_invalid',
    'authority.bundleFile: needed, because the certificate of authority.certFile is not self-signed',
  )
}

function trustedPath(
  chain: readonly Buffer[],
  anchors: readonly Buffer[],
  limits: Limits,
): Pick<AttachedCa, 'sent' | 'notBefore' | 'notAfter'> {
  const reached = pathToAnchor(chain, anchors)
  if (reached === undefined) {
    const fault = 'authority.certFile: does not chain to a certificate of authority.bundleFile'
    throw new SpindleError('config_invalid', fault)
  }
  const path = [...reached.sent, reached.anchor]
  const facts = path.map((der) => parseCertificate(der, 'authority.certFile'))
  const { notBefore, notAfter } = facts.reduce((first, each) =>
    each.notAfter < first.notAfter ? each : first,
  )
  const faults = facts.flatMap((each) =>
    signingCertificateFaults(each, 'external').map(
      (fault) => `authority.certFile: ${each.subject} may not sign: ${fault}`,
    ),
  )
  if (pathLengthFault(path) !== undefined) {
    faults.push(
      'authority.certFile: pathLenConstraint allows no CA below it, and Spindle signs with its own intermediate',
    )
  }
  if (facts.some((each) => each.notBefore > limits.now)) {
    faults.push('authority.certFile: the CA or its anchor is not valid yet')
  }
  const ending = endingFault({ notAfter }, limits)
  if (ending !== undefined) faults.push(ending)
  if (faults.length > 0) throw new SpindleError('config_invalid', faults.join('\n'))
  return { sent: reached.sent, notBefore, notAfter }
}
