/** An X.509-SVID for whom an operator says: what the request asks for is what they ask for. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  MintX509SVIDRequest,
  MintX509SVIDResponseSchema,
} from '#spire/api/server/svid/v1/svid_pb.js'
import { NotSignedByItsKey, readCsr } from '../../../certs/csr/read.ts'
import type { Csr } from '../../../certs/csr/read.ts'
import { serialNumberOf } from '../../../certs/parse.ts'
import { dnsNameFault } from '../../../spiffe/dns-name.ts'
import { parseSpiffeId, type SpiffeId, type TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { idMessage, readWorkloadId } from '../api/ids.ts'
import type { Asked } from '../service.ts'
import { asCall, failed, invalid } from '../worded.ts'
import type { SvidParts } from './parts.ts'

export async function mintX509Svid(
  { trustDomain, issuing, svid, audit, faulted }: SvidParts,
  { csr, ttl }: MintX509SVIDRequest,
  { caller, method }: Asked,
): Promise<MessageInitShape<typeof MintX509SVIDResponseSchema>> {
  const { spki, asked } = readRequest(csr)
  const spiffeId = idIn(asked.uriSans, trustDomain)
  const dnsNames = namesIn(asked.dnsSans)
  const ttlMs = ttl > 0 ? ttl * 1000 : svid.ttlMs
  const { chain, notAfter, authorityId } = await issuing.x509
    .issue({ spiffeId, dnsNames, spki, ttlMs })
    .catch((thrown: unknown) => {
      throw asCall(failed('failed to sign X509-SVID', thrown, { faulted, method }))
    })
  const issued = 'x509-svid'
  const serial = serialNumberOf(chain[0]!)
  const expiresAt = notAfter
  audit.write({ event: 'issued', caller, method, issued, spiffeId, serial, authorityId, expiresAt })
  return {
    svid: {
      certChain: chain.slice(),
      id: idMessage(spiffeId),
      expiresAt: BigInt(notAfter / 1000),
    },
  }
}

function readRequest(csr: Uint8Array): Csr {
  if (csr.length === 0) throw invalid('missing CSR')
  try {
    return readCsr(csr)
  } catch (thrown) {
    const ownKey = thrown instanceof Error && thrown.cause instanceof NotSignedByItsKey
    throw invalid(ownKey ? 'failed to verify CSR signature' : 'malformed CSR', thrown)
  }
}

function idIn(uris: readonly string[], trustDomain: TrustDomain): SpiffeId {
  const [uri, second] = uris
  if (uri === undefined) throw invalid('CSR URI SAN is required')
  if (second !== undefined) throw invalid('only one URI SAN is expected')
  try {
    return readWorkloadId(idMessage(parseSpiffeId(uri)), trustDomain)
  } catch (thrown) {
    throw invalid('CSR URI SAN is invalid', thrown)
  }
}

function namesIn(names: readonly string[]): readonly string[] {
  for (const name of names) {
    const fault = dnsNameFault(name)
    if (fault === undefined) continue
    const shown = JSON.stringify(name.slice(0, 80))
    throw invalid('CSR DNS name is invalid', new Error(`${shown} ${fault}`))
  }
  // They are the same in capitals (RFC 4343).
  const folded = names.map((name) => name.toLowerCase())
  if (folded.some((name) => saidAlready(folded, name)))
    throw invalid('CSR DNS name contains a wildcard that covers another non-wildcard name')
  return names
}

/** By a wildcard beside it. */
function saidAlready(names: readonly string[], name: string): boolean {
  const dot = name.indexOf('.')
  return dot > 0 && !name.startsWith('*') && names.includes(`*${name.slice(dot)}`)
}
