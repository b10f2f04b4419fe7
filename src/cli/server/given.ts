/** What commands to a server are given, beside what all of them are. */
import type { Match, ServerOptions } from './options.ts'

export type BundleFormat = 'pem' | 'spiffe'

export type DeleteMode = 'restrict' | 'dissociate' | 'delete'

export interface FormatOptions extends ServerOptions {
  readonly format: BundleFormat
}

export interface AgentFilterFlags {
  readonly selector?: readonly string[]
  readonly matchSelectorsOn: Match
  readonly attestationType?: string
  readonly banned?: string
  readonly canReattest?: string
  readonly expiresBefore?: string
}

export interface PurgeOptions extends ServerOptions {
  /** Seconds. */
  readonly expiredFor: number
  readonly dryRun?: true
}

export type AuthorityKind = 'x509' | 'jwt'

export type Step = 'prepare' | 'activate' | 'taint' | 'revoke'

export interface RotateOptions extends ServerOptions {
  readonly jwt?: true
  readonly force?: true
  readonly allowAway?: true
  /** Seconds. */
  readonly wait: number
}

export interface ImportFlags {
  readonly data?: string
  readonly parentId?: string
}

export interface HealthOptions extends ServerOptions {
  readonly verbose?: true
}

export interface MintOptions extends ServerOptions {
  readonly spiffeId: string
  /** Seconds; 0: the server's own. */
  readonly ttl: number
  /** A folder for an X.509-SVID, a file for a JWT-SVID. */
  readonly write?: string
}
