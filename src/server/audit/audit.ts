/**
 * The audit: each issuance, denial and registry change as one structured line, written before the answer leaves. A line says who
 * asked, from where, for what; never key material, nor a token or a certificate itself. Denials that repeat themselves are summed
 * up: anybody can cause them.
 */

/** Who asked: by the admin socket, with an X.509-SVID, or with no certificate; or nobody: the server does it by its own clock. */
export type AuditCaller =
  | { readonly kind: 'local'; readonly uid: number; readonly pid: number }
  | {
      readonly kind: 'svid'
      readonly spiffeId: string
      /** Decimal. */
      readonly serial: string
      readonly address: string
    }
  | { readonly kind: 'anonymous'; readonly address: string }
  | { readonly kind: 'server' }

interface Asked {
  readonly caller: AuditCaller
  /** `/package.Service/Method` */
  readonly method: string
}

export interface Denial {
  readonly event: 'denied'
  readonly caller: AuditCaller
  /** undefined: the connection was refused, whatever is called on it. */
  readonly method?: string
  /** A word of a closed set, and in a few words why, which a client may have had its part in. */
  readonly reason: string
  readonly detail?: string
}

export interface Issuance extends Asked {
  readonly event: 'issued'
  readonly issued: 'x509-svid' | 'jwt-svid' | 'agent-svid' | 'downstream-ca'
  readonly spiffeId: string
  /** Of a certificate, decimal. */
  readonly serial?: string
  readonly authorityId: string
  /** ms since the epoch */
  readonly expiresAt: number
  readonly entryId?: string
  readonly entryRevision?: number
}

export interface RegistryChange {
  readonly event: 'changed'
  readonly caller: AuditCaller
  /** undefined: no call, but the server itself. */
  readonly method?: string
  readonly object: 'entry' | 'agent' | 'join-token' | 'bundle' | 'federation' | 'authority'
  /** Entry ID, SPIFFE ID, trust domain or authority ID; of a join token nothing but whom it is for. */
  readonly key: string
  readonly action: string
  readonly revision?: number
}

/** What an operator does with the server itself, of which the registry knows nothing. */
export interface Operation extends Asked {
  readonly event: 'operated'
  readonly action: 'backup' | 'log-level'
  /** Path of the copy; the level that is set. */
  readonly key: string
}

export type AuditEvent = Denial | Issuance | RegistryChange | Operation

export interface Audit {
  /**
   * Has written the line of each when it returns, or counted the denial if it is one of a kind that was written a moment ago. Lines
   * of one call go out in one write of the system, which takes as long as a signature does.
   */
  write(...events: readonly AuditEvent[]): void
}

export interface ServerAudit extends Audit {
  /** Writes what is counted. A denial after that is a line. */
  close(): void
}

/** The same audit, of which each line is told too once it is written. */
export function tapAudit(audit: Audit, listen: (event: AuditEvent) => void): Audit {
  return {
    write(...events) {
      audit.write(...events)
      for (const event of events) listen(event)
    },
  }
}
