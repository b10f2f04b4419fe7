/** A CA certificate for a server below this one, in the same trust domain. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type {
  NewDownstreamX509CARequest,
  NewDownstreamX509CAResponseSchema,
} from '#spire/api/server/svid/v1/svid_pb.js'
import { readCsr } from '../../../certs/csr/read.ts'
import { serialNumberOf } from '../../../certs/parse.ts'
import { status } from '../../../runtime/grpc-status.ts'
import { trustDomainId } from '../../../spiffe/spiffe-id.ts'
import type { Asked } from '../service.ts'
import { asCall, failed, refused } from '../worded.ts'
import { csrFault } from './batch.ts'
import type { SvidParts } from './parts.ts'

export async function newDownstreamCa(
  parts: SvidParts,
  { csr, preferredTtl }: NewDownstreamX509CARequest,
  { peer, caller, method }: Asked,
): Promise<MessageInitShape<typeof NewDownstreamX509CAResponseSchema>> {
  const { registry, issuing, trustDomain, audit, faulted } = parts
  const spiffeId = peer.kind === 'remote' ? peer.svid?.spiffeId : undefined
  const named = spiffeId === undefined ? [] : registry.entriesNamed(spiffeId)
  const entry = named.find(({ downstream }) => downstream)
  if (entry === undefined)
    throw refused(status.PERMISSION_DENIED, 'caller is not a downstream workload')
  const { spki } = readRequest(csr)
  const ttlMs = preferredTtl > 0 ? preferredTtl * 1000 : parts.svid.ttlMs
  const { chain, notAfter, authorityId } = await issuing.x509
    .issueCa({ spki, ttlMs })
    .catch((thrown: unknown) => {
      throw asCall(failed('failed to sign downstream X.509 CA', thrown, { faulted, method }))
    })
  const bundle = registry.bundle(trustDomain)
  if (bundle === undefined) throw refused(status.NOT_FOUND, 'bundle not found')
  const issued = 'downstream-ca'
  audit.write({
    event: 'issued',
    caller,
    method,
    issued,
    spiffeId: trustDomainId(trustDomain),
    serial: serialNumberOf(chain[0]!),
    authorityId,
    expiresAt: notAfter,
    entryId: entry.id,
    entryRevision: entry.revision,
  })
  return {
    caCertChain: chain.slice(),
    x509Authorities: bundle.x509Authorities.map(({ certificate }) => certificate),
  }
}

function readRequest(csr: Uint8Array): ReturnType<typeof readCsr> {
  try {
    return readCsr(csr)
  } catch (thrown) {
    throw asCall(csrFault(thrown))
  }
}
