import type { Selector } from '../registration/selector.ts'
import type { EntryContent, EntryId } from '../registration/server-entry.ts'
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts'

/* What the store keeps, as plain values. Instants are milliseconds since the Unix epoch. */

/** An entry to be created. */
export interface NewEntry extends EntryContent {
  /** undefined: one is drawn. */
  readonly id?: EntryId
}

export interface AttestedAgent {
  readonly id: SpiffeId
  readonly attestationType: string
  /** Of its X.509-SVID, decimal. */
  readonly serial: string
  readonly expiresAt: number
  /** Of the X.509-SVID it was given last and has not shown yet. */
  readonly pending?: { readonly serial: string; readonly expiresAt: number }
  readonly canReattest: boolean
  readonly banned: boolean
  /** What it says it runs; '' while it has said nothing. */
  readonly version: string
  /** Sorted and unique. */
  readonly selectors: readonly Selector[]
}

export interface JoinToken {
  readonly expiresAt: number
  /** An entry with this SPIFFE ID is made for the agent that joins. */
  readonly alias?: SpiffeId
}

export interface X509Authority {
  /** DER. */
  readonly certificate: Uint8Array
  readonly tainted: boolean
}

export interface PublicKey {
  readonly keyId: string
  /** PKIX, DER. */
  readonly publicKey: Uint8Array
  /** undefined: not said. */
  readonly expiresAt?: number
  readonly tainted: boolean
}

/** The authorities of a trust domain, the own or a foreign one. */
export interface StoredBundle {
  readonly trustDomain: TrustDomain
  readonly x509Authorities: readonly X509Authority[]
  readonly jwtAuthorities: readonly PublicKey[]
  readonly witAuthorities: readonly PublicKey[]
  readonly refreshHintSeconds?: number
  /** Who changes the bundle counts it up. */
  readonly sequence: number
}

export interface FederationRelationship {
  readonly trustDomain: TrustDomain
  readonly endpointUrl: string
  readonly profile:
    | { readonly kind: 'https_web' }
    | { readonly kind: 'https_spiffe'; readonly endpointId: SpiffeId }
}

/** An authority of one of the servers: what is public of it. Its key is in that server's state folder. */
export interface JournaledAuthority {
  readonly serverId: string
  readonly kind: 'x509' | 'jwt' | 'wit'
  readonly authorityId: string
  readonly status: 'prepared' | 'active' | 'old' | 'tainted'
  readonly notAfter: number
  /** Subject key id of what signed it, hex; undefined for what is its own root. */
  readonly upstreamKeyId?: string
  /**
   * Of an X.509 authority: where its certificates come from, as the config has it (`embedded`). Of a JWT key: `above`, where it is
   * in the bundle because a server above has it; `revoked`, where it is not in it, whoever has it.
   */
  readonly source?: string
  /** SHA-256, hex, of the X.509 authorities (DER) that are in the bundle for its sake; undefined: it is a key. */
  readonly anchors?: readonly string[]
}

/** What an agent has said of itself to the server that it holds a stream to. */
export interface AgentReport {
  readonly serverId: string
  readonly agent: SpiffeId
  /** Of the own bundle that it decides by; undefined: it has not said so yet. */
  readonly sequence?: number
  /** Ids of authorities whose SVIDs it holds, its own among them. */
  readonly x509: readonly string[]
  readonly jwt: readonly string[]
  /** Of which kinds it may hold any other's too. */
  readonly more: readonly ('x509' | 'jwt')[]
}

export interface RegisteredServer {
  readonly id: string
  readonly lastSeen: number
}
