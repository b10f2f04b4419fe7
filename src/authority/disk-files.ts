/** An operator's CA as it lies on disk: read, and checked as a whole, so that every fault is told at once. */
import { hash } from 'node:crypto'
import { createIssuer } from '../certs/issuer.ts'
import type { Issuer } from '../certs/issuer.ts'
import { parseCertificate, readTrustAnchorsPem, unusual } from '../certs/parse.ts'
import { messageOf, SpindleError } from '../runtime/errors.ts'
import { signingCertificateFaults } from '../spiffe/x509-svid.ts'
import { pathLengthFault, pathToAnchor, signedBy } from './chain.ts'
import { certPlace, readMaterial } from './disk-material.ts'
import type { Attempt, DiskMaterial } from './disk-material.ts'

export type { DiskMaterial } from './disk-material.ts'

export interface DiskFiles {
  /** @throws SpindleError `config_invalid` naming the file that cannot be read. */
  read(): DiskMaterial | Promise<DiskMaterial>
  watch(run: () => void): () => void
}

/** An operator's CA that may be used. */
export interface AttachedCa {
  readonly issuer: Issuer
  /** What faults call the file of its certificate. */
  readonly place: string
  /** What is sent after Spindle's own intermediate: the operator's intermediates. */
  readonly sent: readonly Buffer[]
  readonly anchors: readonly Buffer[]
  /** Of the certificate that ends first on the path up to and with the anchor (ms since the epoch). */
  readonly notBefore: number
  readonly notAfter: number
  /** What is unusual about its certificates, one line each. */
  readonly warnings: readonly string[]
}

interface Limits {
  readonly now: number
  readonly svidTtlMs: number
}

export const digestOf = (der: Buffer): string => hash('sha256', der, 'hex')

/** @throws SpindleError `config_invalid` with every fault, one a line. */
export async function attachedCa(material: DiskMaterial, limits: Limits): Promise<AttachedCa> {
  const faults: string[] = []
  const attempt: Attempt = async (read) => {
    try {
      return await read()
    } catch (thrown) {
      faults.push(messageOf(thrown))
      return undefined
    }
  }
  const place = certPlace(material)
  const { chain, key } = await readMaterial(material, attempt)
  const [own] = chain
  const keyed = 'pkcs12File' in material ? place : `${place} and keyFile`
  const issuer = own && key && (await attempt(() => createIssuer(own, key, keyed)))
  const anchors = own && (await attempt(() => anchorsOf(own, material)))
  const path = anchors && (await attempt(() => trustedPath({ chain, place }, anchors, limits)))
  if (issuer === undefined || anchors === undefined || path === undefined || faults.length > 0) {
    throw new SpindleError('config_invalid', faults.join('\n'))
  }
  return { issuer, anchors, place, ...path }
}

/** Why `ca` will soon be of no use; undefined: it outlasts an SVID. */
export function endingFault(
  ca: Pick<AttachedCa, 'notAfter' | 'place'>,
  limits: Limits,
): string | undefined {
  if (ca.notAfter - limits.now >= limits.svidTtlMs) return undefined
  const end = new Date(ca.notAfter).toISOString()
  return `${ca.place}: the CA or its anchor ends ${end}, within svid.ttl`
}

function anchorsOf(own: Buffer, material: DiskMaterial): readonly Buffer[] {
  const { bundleFile } = material
  if (bundleFile !== undefined) {
    return readTrustAnchorsPem(bundleFile, 'authority.bundleFile').anchors.map(({ der }) => der)
  }
  if (signedBy(own, own)) return [own]
  throw new SpindleError(
    'config_invalid',
    `authority.bundleFile: needed, because the certificate of ${certPlace(material)} is not self-signed`,
  )
}

function trustedPath(
  { chain, place }: { readonly chain: readonly Buffer[]; readonly place: string },
  anchors: readonly Buffer[],
  limits: Limits,
): Pick<AttachedCa, 'sent' | 'notBefore' | 'notAfter' | 'warnings'> {
  const reached = pathToAnchor(chain, anchors)
  if (reached === undefined) {
    const fault = `${place}: does not chain to a certificate of authority.bundleFile`
    throw new SpindleError('config_invalid', fault)
  }
  const path = [...reached.sent, reached.anchor]
  const facts = path.map((der) => parseCertificate(der, place))
  const { notBefore, notAfter } = facts.reduce((first, each) =>
    each.notAfter < first.notAfter ? each : first,
  )
  const faults = facts.flatMap((each) =>
    signingCertificateFaults(each, 'external').map(
      (fault) => `${place}: ${each.subject} may not sign: ${fault}`,
    ),
  )
  if (pathLengthFault(path) !== undefined) {
    faults.push(
      `${place}: pathLenConstraint allows no CA below it, and Spindle signs with its own intermediate`,
    )
  }
  if (facts.some((each) => each.notBefore > limits.now)) {
    faults.push(`${place}: the CA or its anchor is not valid yet`)
  }
  const ending = endingFault({ notAfter, place }, limits)
  if (ending !== undefined) faults.push(ending)
  if (faults.length > 0) throw new SpindleError('config_invalid', faults.join('\n'))
  const warnings = facts.flatMap((each) => unusual(each, `${place}: ${each.subject}`))
  return { sent: reached.sent, notBefore, notAfter, warnings }
}
