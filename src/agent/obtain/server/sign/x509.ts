/** X.509-SVIDs of entries, signed by the server; each looked at before it is used. */
import { pathToAnchor } from '../../../../authority/chain.ts'
import { readCsr } from '../../../../certs/csr/read.ts'
import { authorityIdOf } from '../../../../certs/issuer.ts'
import { parseCertificate, verifyX509Svid } from '../../../../certs/parse.ts'
import { SVID } from '../../../../gen/spire/api/server/svid/v1/svid_pb.js'
import type { BatchNewX509SVIDResponse_Result } from '../../../../gen/spire/api/server/svid/v1/svid_pb.js'
import type { EntryId } from '../../../../registration/server-entry.ts'
import { SpindleError } from '../../../../runtime/errors.ts'
import { status } from '../../../../runtime/grpc-status.ts'
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
const CALLS_AT_A_TIME = 4

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
    callsAtATime: CALLS_AT_A_TIME,
    mayBeSize,
    async send(batch) {
      const params = batch.map(({ entryId, csr }) => ({ entryId, csr }))
      const { batchNewX509SVID } = SVID.method
      const answer = await options
        .client()
        .call(batchNewX509SVID, { params }, { deadlineMs: CALL_MS })
      if (answer.results.length !== batch.length) return []
      return answer.results.map((result, at) => outcome(batch[at]!, result))
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
    readonly now: number
  },
): SignedX509 {
  const { spiffeId, trustDomain, authorities, now } = wanted
  const place = `what the server signed for ${spiffeId}`
  try {
    const own = chain.map((der) => Buffer.from(der))
    const path = pathToAnchor(
      own,
      authorities.map((der) => Buffer.from(der)),
    )
    if (path === undefined)
      throw new SpindleError('certificate_invalid', 'it leads to no authority of the bundle')
    const found = verifyX509Svid(path.sent, new Map([[trustDomain, authorities]]), {
      now,
      mode: 'lenient',
    })
    if (found !== spiffeId) throw new SpindleError('certificate_invalid', `it is for ${found}`)
    const [leaf, ...above] = path.sent.map((der) => parseCertificate(der, 'a certificate'))
    if (leaf === undefined || !leaf.spki.equals(readCsr(wanted.csr).spki))
      throw new SpindleError('certificate_invalid', 'it is for another key')
    const anchor = parseCertificate(path.anchor, 'the authority')
    return {
      chain: path.sent,
      notBefore: leaf.notBefore,
      notAfter: Math.min(leaf.notAfter, anchor.notAfter, ...above.map((each) => each.notAfter)),
      authorityId: authorityIdOf(anchor),
    }
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    throw new SpindleError('authority_unavailable', `${place} is not used: ${thrown.message}`, {
      cause: thrown,
    })
  }
}
