/**
 * The audit: each issuance, denial and registry change as one structured line, written before the answer leaves. A line says who
 * asked, from where, for what; never key material, nor a token or a certificate itself.
 */
import type { Clock } from '../../runtime/clock.ts'
import { createLog } from '../../telemetry/log.ts'
import type { LogFields } from '../../telemetry/log.ts'

/** Who asked: by the admin socket, with an X.509-SVID, or with no certificate. */
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
  /** A word of a closed set, and in a few words why. */
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

export interface RegistryChange extends Asked {
  readonly event: 'changed'
  readonly object: 'entry' | 'agent' | 'join-token' | 'bundle' | 'federation' | 'authority'
  /** Entry ID, SPIFFE ID, trust domain or authority ID; of a join token nothing but whom it is for. */
  readonly key: string
  readonly action: string
  readonly revision?: number
}

export type AuditEvent = Denial | Issuance | RegistryChange

export interface Audit {
  /** Has written the line when it returns. */
  write(event: AuditEvent): void
}

export interface AuditOptions {
  readonly format: 'json' | 'text'
  readonly stream: { write(line: string): unknown }
  readonly clock: Clock
}

const MESSAGES = {
  denied: 'audit: a call was denied',
  issued: 'audit: an identity was issued',
  changed: 'audit: the registry was changed',
} as const satisfies Record<AuditEvent['event'], string>

/** Through the log's redaction, yet written whatever the log's level is. */
export function createAudit(options: AuditOptions): Audit {
  const log = createLog({ ...options, level: 'info' })
  return {
    write({ event, ...fields }) {
      log.info({ audit: event, ...inOrder(fields) }, MESSAGES[event])
    },
  }
}

/** The same audit, of which each line is told too once it is written. */
export function tapAudit(audit: Audit, listen: (event: AuditEvent) => void): Audit {
  return {
    write(event) {
      audit.write(event)
      listen(event)
    },
  }
}

/** Instants as text, as the line's own time is. */
function inOrder(fields: Omit<AuditEvent, 'event'>): LogFields {
  if (!('expiresAt' in fields) || typeof fields.expiresAt !== 'number') return { ...fields }
  return { ...fields, expiresAt: new Date(fields.expiresAt).toISOString() }
}
