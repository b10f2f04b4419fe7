import type { X509Authority } from '../../../authority/authority.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Random } from '../../../runtime/random.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Store } from '../../../store/port.ts'
import type { Audit } from '../../audit/audit.ts'
import type { NodeAttestor } from '../../enroll/attest/attestor.ts'
import type { Registry } from '../../enroll/registry.ts'
import type { Faulted } from '../service.ts'

/** What the agent service is made of. */
export interface AgentParts {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly random: Random
  readonly store: Pick<Store, 'agents' | 'joinTokens'>
  readonly registry: Pick<Registry, 'shown'>
  readonly issuing: { readonly x509: Pick<X509Authority, 'issue'> }
  /** By type. */
  readonly attestors: ReadonlyMap<string, NodeAttestor>
  /** Life of the X.509-SVIDs of agents. */
  readonly svid: { readonly agentTtlMs: number }
  /** Of one address; false: as many as come. Unset: SPIRE's 1. */
  readonly attestationsPerSecond?: number | false
  /** Renewals of one address; false: as many as come. Unset: SPIRE's 500. */
  readonly signingsPerSecond?: number | false
  readonly audit: Audit
  readonly faulted: Faulted
}
