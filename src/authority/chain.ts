import { X509Certificate } from 'node:crypto'
import { parseCertificate } from '../certs/parse.ts'

export interface PathToAnchor {
  /** What a peer needs beside the anchor, in order: the certificates of the chain up to, and without, the anchor. */
  readonly sent: readonly Buffer[]
  readonly anchor: Buffer
}

/**
 * Follows `chain` (each certificate signed by the one after it) to the first of `anchors` that it reaches. Signatures
 * and names are checked, lifetimes are not. undefined: it leads to none of them.
 */
export function pathToAnchor(
  chain: readonly Buffer[],
  anchors: readonly Buffer[],
): PathToAnchor | undefined {
  for (const [at, certificate] of chain.entries()) {
    const same = anchors.find((anchor) => anchor.equals(certificate))
    if (same !== undefined) return { sent: chain.slice(0, at), anchor: same }
    const signer = anchors.find((anchor) => signedBy(certificate, anchor))
    if (signer !== undefined) return { sent: chain.slice(0, at + 1), anchor: signer }
    const next = chain[at + 1]
    if (next === undefined || !signedBy(certificate, next)) return undefined
  }
  return undefined
}

/** False, too, where OpenSSL cannot read one of them, or the key in it. */
export function signedBy(certificate: Buffer, by: Buffer): boolean {
  try {
    const signer = new X509Certificate(by)
    const signed = new X509Certificate(certificate)
    return signed.checkIssued(signer) && signed.verify(signer.publicKey)
  } catch {
    return false
  }
}

/**
 * The first certificate of `path` (lowest first) whose pathLenConstraint (RFC 5280 4.2.1.9) forbids one more CA
 * below them all, by its place; undefined: none does.
 */
export function pathLengthFault(path: readonly Buffer[]): number | undefined {
  const at = path.findIndex((der, below) => {
    const limit = parseCertificate(der, 'certificate').basicConstraints?.pathLen
    return limit !== undefined && limit < below + 1
  })
  return at === -1 ? undefined : at
}
