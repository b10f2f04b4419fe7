/** X.509-SVIDs of entries, signed by the server; each looked at before it is used. */
import { pathToAnchor } from '../../../../authority/chain.ts'
import type { ParsedCertificate } from '../../../../certs/certificate.ts'
import { authorityIdOf } from '../../../../certs/issuer.ts'
import { parseCertificate, verifyX509Svid } from '../../../../certs/parse.ts'
import { SVID } from '../../../../gen/spire/api/server/svid/v1/svid_pb.js'
import type { BatchNewX509SVIDResponse_Result } from '../../../../gen/spire/api/server/svid/v1/svid_pb.js'
import type { EntryId } from '../../../../registration/server-entry.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import { status } from '../../../../runtime/grpc-status.ts'
import { nextTurn } from '../../../../runtime/slices.ts'
import type { SpiffeId, TrustDomain } from '../../../../spiffe/spiffe-id.ts'
import { CallFault } from '../../../../wire/call-fault.ts'
import type { SecureClient } from '../../../../wire/secure-client.ts'
import { CALL_MS } from '../calls.ts'
import type { SignedX509 } from '../link.ts'
import type { Batches } from './batches.ts'
import { createBatches } from './batches.ts'
import { refusalOf } from './refusal.ts'

export interface X509Asked {
  readonly entryId: EntryId
  readonly csr: Buffer
}

/** As SPIRE's agents. */
const MOST_CSRS = 500
const LEAST_CSRS = 16
const CALLS_AT_A_TIME = 4
/** A check takes a third of a millisecond: others go first now and then. */
const CHECKS_A_TURN = 32

export function createX509Batches(options: {
  readonly client: () => SecureClient
  readonly check: (asked: X509Asked, chain: readonly Uint8Array[]) => SignedX509
}): Batches<X509Asked, SignedX509> {
  const outcome = (
    asked: X509Asked,
    { status: said, svid }: BatchNewX509SVIDResponse_Result,
  ): SignedX509 | SpindleError => {
    if (said !== undefined && said.code !== status.OK)
      return refusalOf(said.code, said.message, asked.entryId)
    try {
      return options.check(asked, svid?.certChain ?? [])
    } catch (thrown) {
      if (thrown instanceof SpindleError) return thrown
      throw thrown
    }
  }
  return createBatches({
    most: MOST_CSRS,
    least: LEAST_CSRS,
    callsAtATime: CALLS_AT_A_TIME,
    mayBeSize,
    async send(batch) {
      const params = batch.map(({ entryId, csr }) => ({ entryId, csr }))
      const { batchNewX509SVID } = SVID.method
      const answer = await options
        .client()
        .call(batchNewX509SVID, { params }, { deadlineMs: CALL_MS })
      if (answer.results.length !== batch.length) return []
      const outcomes: (SignedX509 | SpindleError)[] = []
      for (const [at, result] of answer.results.entries()) {
        if (at % CHECKS_A_TURN === CHECKS_A_TURN - 1) await nextTurn()
        outcomes.push(outcome(batch[at]!, result))
      }
      return outcomes
    },
  })
}

/** Not where nobody is there, nor where the agent may not ask at all. */
function mayBeSize(thrown: unknown): boolean {
  if (!(thrown instanceof CallFault)) return false
  return (
    thrown.status === status.DEADLINE_EXCEEDED ||
    (thrown.answered &&
      thrown.status !== status.PERMISSION_DENIED &&
      thrown.status !== status.UNAUTHENTICATED &&
      thrown.status !== status.UNAVAILABLE)
  )
}

/**
 * That `chain` is what was asked for.
 * @throws SpindleError `authority_unavailable` where it is not: another attempt may bring better
 */
export function checkX509(
  chain: readonly Uint8Array[],
  wanted: {
    readonly csr: Buffer
    readonly spiffeId: SpiffeId
    readonly trustDomain: TrustDomain
    /** DER. */
    readonly authorities: readonly Uint8Array[]
    readonly anchorsOf?: AnchorsOf
    readonly now: number
  },
): SignedX509 {
  const { spiffeId, trustDomain, authorities, now } = wanted
  const place = `what the server signed for ${spiffeId}`
  try {
    const found = verifyX509Svid(chain, new Map([[trustDomain, authorities]]), {
      now,
      mode: 'lenient',
    })
    if (found !== spiffeId) throw invalid(`it is for ${found}`)
    const certificates = chain.map((der) => parseCertificate(der, 'a certificate'))
    const [leaf] = certificates
    const { sent, anchor } = pathOf(certificates, wanted)
    // The request is our own: of keys it has that one alone.
    if (leaf === undefined || !wanted.csr.includes(leaf.spki))
      throw invalid('it is for another key')
    return {
      chain: sent.map(({ der }) => der),
      notBefore: leaf.notBefore,
      notAfter: Math.min(anchor.notAfter, ...sent.map((each) => each.notAfter)),
      authorityId: authorityIdOf(anchor),
    }
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    throw new SpindleError('authority_unavailable', `${place} is not used: ${thrown.message}`, {
      cause: thrown,
    })
  }
}

/** Of a bundle, read once for as long as it is the same. */
export type AnchorsOf = (authorities: readonly Uint8Array[]) => readonly ParsedCertificate[]

export function createAnchorsOf(): AnchorsOf {
  let of: readonly Uint8Array[] | undefined
  let anchors: readonly ParsedCertificate[] = []
  return (authorities) => {
    if (of === authorities) return anchors
    of = authorities
    anchors = authorities.map((der) => parseCertificate(der, 'an authority'))
    return anchors
  }
}

/** What a peer needs of a chain that was verified, and the authority it leads to. */
function pathOf(
  chain: readonly ParsedCertificate[],
  {
    authorities,
    anchorsOf = createAnchorsOf(),
  }: { readonly authorities: readonly Uint8Array[]; readonly anchorsOf?: AnchorsOf },
): { readonly sent: readonly ParsedCertificate[]; readonly anchor: ParsedCertificate } {
  const anchors = anchorsOf(authorities)
  const [leaf, ...above] = chain
  // It leads to one of them: where it names a single one, that need not be verified once more.
  const named = anchors.filter((each) => each.subjectKeyId === leaf?.authorityKeyId)
  if (above.length === 0 && named.length === 1 && named[0]!.subjectKeyId !== '')
    return { sent: chain, anchor: named[0]! }
  const path = pathToAnchor(
    chain.map(({ der }) => der),
    anchors.map(({ der }) => der),
  )
  if (path === undefined) throw invalid('its chain is not in order')
  const anchor = anchors.find(({ der }) => der.equals(path.anchor))!
  return { sent: chain.slice(0, path.sent.length), anchor }
}

function invalid(fault: string): SpindleError {
  return new SpindleError('certificate_invalid', fault)
}
