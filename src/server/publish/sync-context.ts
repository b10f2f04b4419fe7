import type { Clock } from '../../runtime/clock.ts'
import type { Slices } from '../../runtime/slices.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Refusal } from '../../wire/status.ts'
import type { PeerSvid, RemotePeer } from '../admit/peer.ts'
import type { Registry } from '../enroll/registry.ts'
import type { RoundEncoder } from './encoder.ts'
import type { ChangedNames, Token } from './resume.ts'
import type { Holding } from './round.ts'

export interface SyncPeer extends RemotePeer {
  readonly svid: PeerSvid
}

/** Authorities whose SVIDs an agent holds, by id. */
export interface InUse {
  readonly x509: readonly string[]
  readonly jwt: readonly string[]
  /** Of which kinds it holds others too, which it did not name. */
  readonly more: readonly ('x509' | 'jwt')[]
}

/** An open call as the others know it. */
export interface OpenCall {
  readonly peer: SyncPeer
  /** What the agent decides by, as far as this call knows; undefined: it has not said so yet. */
  readonly applied: Holding | undefined
  readonly inUse: InUse
  /** What it shall have may be something else. */
  changed(): void
  /** Sends what is due now; called in slices. */
  push(): void
  /** Ends the call with the status of `error`. */
  end(error: unknown): void
}

/** What calls stand on; all of them share it. */
export interface SyncContext {
  readonly clock: Clock
  readonly trustDomain: TrustDomain
  readonly registry: Pick<Registry, 'entriesOf' | 'bundle' | 'position' | 'refreshed'>
  readonly encoder: RoundEncoder
  readonly pushes: Slices<OpenCall>
  /** Why the call of a peer is to end; undefined: it may go on. */
  refusalOf(peer: SyncPeer, of: { readonly authoritiesChanged: boolean }): Refusal | undefined
  /** Of what the registry has now. */
  tokenOf(holding: Holding): Token
  /** undefined: too many, or not known. */
  changedSince(revision: number): Promise<ChangedNames | undefined>
  /** The agent said which version it runs. */
  runs(peer: SyncPeer, version: string): void
  /** The call is to hear of the bundles of other trust domains now than before. */
  follow(
    call: OpenCall,
    of: { readonly before: ReadonlySet<TrustDomain>; readonly wants: ReadonlySet<TrustDomain> },
  ): void
  /** A round was applied, or what is in use has changed. */
  progressed(call: OpenCall): void
  /** Something went wrong in a call, which ends with it. */
  failed(call: OpenCall, thrown: unknown): void
  /** `error`: what this side ended it with; undefined: the agent went. */
  closed(call: OpenCall, error: unknown): void
}
