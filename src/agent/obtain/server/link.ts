/** What the agent has of its server, whichever protocol it speaks: what it may serve, and what signs for it. */
import type { EntryId, ServerEntry } from '../../../registration/server-entry.ts'
import type { Feed } from '../../../runtime/feed.ts'
import type { Bundle } from '../../../spiffe/bundle.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'

/** A bundle with what is tainted in it: what those signed is to be signed anew. */
export interface ServedBundle {
  readonly bundle: Bundle
  /** DER, of `bundle.x509Authorities`. */
  readonly taintedX509: readonly Uint8Array[]
  /** `kid`s, of `bundle.jwtAuthorities`. */
  readonly taintedJwt: readonly string[]
}

/** A state the server's registry had: what this agent may serve. */
export interface Served {
  /** Oldest first. */
  readonly entries: readonly ServerEntry[]
  /** The own trust domain's, and those the entries federate with. */
  readonly bundles: ReadonlyMap<TrustDomain, ServedBundle>
}

export interface LinkState {
  /** undefined: connected and up to date; else why not, for people. */
  readonly fault: string | undefined
  /** How changes come; undefined: nothing came yet. */
  readonly protocol: 'sync' | 'poll' | undefined
  /** unverified: the server was trusted as it was first seen, and that authority is in the bundle still. */
  readonly bootstrap: 'verified' | 'unverified'
  /** undefined: not attested yet. */
  readonly agentId: SpiffeId | undefined
  /** Of the agent's own SVID, ms since the epoch. */
  readonly svidNotAfter: number | undefined
  /** When the server was last heard, ms since the epoch. */
  readonly heardAt: number | undefined
}

export interface SignedX509 {
  /** DER, leaf first. Checked to be for the entry's SPIFFE ID, the key asked for, and to lead to the bundle. */
  readonly chain: readonly Buffer[]
  readonly notBefore: number
  readonly notAfter: number
  /** Hex of the subject key id of the anchor the chain leads to. */
  readonly authorityId: string
}

export interface SignedJwt {
  readonly token: string
  readonly issuedAt: number
  readonly expiresAt: number
  /** `kid` */
  readonly authorityId: string
}

/** What a link has to have to go on after a restart, server or no server. Holds the agent's key: kept sealed. */
export interface LinkMemory {
  readonly svid:
    | {
        readonly chain: readonly Uint8Array[]
        readonly pkcs8: Uint8Array
        readonly reattestable: boolean
      }
    | undefined
  readonly served: Served | undefined
  /** Of the sync stream. */
  readonly resumeToken: Uint8Array
  readonly trust: ServerTrust
}

/** What the server is verified with. */
export interface ServerTrust {
  /** DER: X.509 authorities of the own trust domain. */
  readonly authorities: readonly Uint8Array[]
  /** DER, of an authority that was believed as the server first showed it, until the bundle has it no more; else undefined. */
  readonly pinned: Uint8Array | undefined
}

/** Ids of authorities whose SVIDs the agent holds; those that matter first, for the server is not told more than some. */
export interface Holds {
  readonly x509: readonly string[]
  readonly jwt: readonly string[]
}

export interface ServerLink {
  /** undefined until the first state came, from the server or from memory. */
  readonly served: Feed<Served | undefined>
  readonly state: Feed<LinkState>
  /** Requests of one moment go in one call. @throws SpindleError `authority_unavailable`, `no_identity`, `request_invalid` */
  signX509(request: { readonly entryId: EntryId; readonly csr: Buffer }): Promise<SignedX509>
  /** @throws SpindleError as `signX509` */
  signJwt(request: {
    readonly entryId: EntryId
    readonly audience: readonly string[]
  }): Promise<SignedJwt>
  /**
   * Tells the server what the agent holds, so that it knows when an authority may be revoked: now, and with each round that is
   * applied from now on, as it is then.
   */
  holds(read: () => Holds): void
  close(): Promise<void>
}
