import type { Selector } from '../../../registration/selector.ts'
import { parseSpiffeId, trustDomainId, trustDomainOf } from '../../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { wordedStatus } from '../../../wire/status.ts'
import type { WordedStatus } from '../../../wire/status.ts'

/** What is certain of a node once its proof has been judged. */
export interface Attested {
  /** Below `/spire/agent/` and the attestor's type, unless the operator says where. */
  readonly agentId: SpiffeId
  /** Their type is the attestor's. */
  readonly selectors: readonly Selector[]
  /** Its agent attests anew instead of renewing its SVID. */
  readonly canReattest: boolean
  /** The proof could come from others of the node too: whoever brought it first stays until they are evicted. */
  readonly firstUse: boolean
  /** The text of a join token, which is spent in the commit that stores the agent: it is good as long as nobody has come in by it. */
  readonly joinToken?: string
}

/** Sends bytes of a form that the attestor defines, and resolves to what comes back. */
export type Challenge = (bytes: Uint8Array) => Promise<Uint8Array>

export interface AttestContext {
  /** IP address of who asks; undefined: a process of this host, by the admin socket. */
  readonly address: string | undefined
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** A way for nodes to prove who they are. */
export interface NodeAttestor {
  /** As agents name it: `join_token`. */
  readonly type: string
  /**
   * Judges a proof; `payload` and challenges are untrusted bytes.
   * @throws WordedStatus or SpindleError where it proves nothing
   */
  attest(payload: Uint8Array, challenge: Challenge, context: AttestContext): Promise<Attested>
}

/** In the words of SPIRE's attestors. */
export function attestationRefused(type: string, code: number, why: string): WordedStatus {
  return wordedStatus(code, `nodeattestor(${type}): ${why}`)
}

const AGENTS = '/spire/agent'

/** @param path begins with `/`. @throws SpindleError `spiffe_id_invalid` */
export function agentIdOf(trustDomain: TrustDomain, path: string): SpiffeId {
  return parseSpiffeId(`spiffe://${trustDomain}${AGENTS}${path}`)
}

/** Whether it is below the path that agents have. */
export function isAgentId(id: SpiffeId): boolean {
  return id.startsWith(`${AGENTS}/`, trustDomainId(trustDomainOf(id)).length)
}
