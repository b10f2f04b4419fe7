import type { MessageInitShape } from '@bufbuild/protobuf'
import type { X509SVIDSchema } from '#spire/api/types/x509svid_pb.js'
import type { IssuedX509Svid } from '../../../authority/authority.ts'
import { readCsr } from '../../../certs/csr/read.ts'
import { serialNumberOf } from '../../../certs/parse.ts'
import { messageOf } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { SpiffeId } from '../../../spiffe/spiffe-id.ts'
import { wordedStatus } from '../../../wire/status.ts'
import { idMessage } from '../api/ids.ts'
import type { Asked } from '../service.ts'
import type { AgentParts } from './parts.ts'

/** An X.509-SVID of an agent. */
export interface AgentSvid extends IssuedX509Svid {
  readonly spiffeId: SpiffeId
  /** Decimal. */
  readonly serial: string
}

/** The key of a request for a certificate, in DER. @throws WordedStatus */
export function keyOf(csr: Uint8Array): Buffer {
  try {
    return readCsr(csr).spki
  } catch (thrown) {
    throw wordedStatus(status.INVALID_ARGUMENT, `failed to parse CSR: ${messageOf(thrown)}`)
  }
}

/** Whatever else the request asks for, the agent gets its own ID and nothing more. */
export async function signAgentSvid(
  { issuing, svid }: Pick<AgentParts, 'issuing' | 'svid'>,
  spiffeId: SpiffeId,
  spki: Uint8Array,
): Promise<AgentSvid> {
  const issued = await issuing.x509.issue({ spiffeId, dnsNames: [], spki, ttlMs: svid.agentTtlMs })
  return { ...issued, spiffeId, serial: serialNumberOf(issued.chain[0]!) }
}

export function svidMessage(svid: AgentSvid): MessageInitShape<typeof X509SVIDSchema> {
  return {
    certChain: svid.chain.map((der) => Uint8Array.from(der)),
    id: idMessage(svid.spiffeId),
    expiresAt: BigInt(Math.floor(svid.notAfter / 1_000)),
  }
}

export function auditIssued(
  { audit }: Pick<AgentParts, 'audit'>,
  { caller, method }: Asked,
  { spiffeId, serial, authorityId, notAfter }: AgentSvid,
): void {
  const about = { spiffeId, serial, authorityId, expiresAt: notAfter }
  audit.write({ event: 'issued', caller, method, issued: 'agent-svid', ...about })
}
