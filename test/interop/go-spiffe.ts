/** What the program in go-spiffe/ tells, and what it answers. */

export interface Svid {
  readonly id: string
  readonly hint: string
  readonly serial: string
  /** Key identifier of what signed it. */
  readonly authority: string
  readonly notAfter: string
  /** Why go-spiffe does not take it under the bundle it has; '' where it does. */
  readonly fault: string
}

/** Keys by trust domain: key identifiers of X.509 authorities, key IDs of JWT authorities. */
export type Keys = Readonly<Record<string, readonly string[]>>

export interface Update {
  readonly from:
    'X509Source' | 'BundleSource' | 'WatchX509Context' | 'WatchX509Bundles' | 'WatchJWTBundles'
  readonly svids: readonly Svid[] | null
  readonly x509: Keys | null
  readonly jwt: Keys | null
  readonly error: string
  /** The name of a gRPC status. */
  readonly code: string
}

export interface Token {
  readonly id: string
  readonly hint: string
  readonly audience: readonly string[]
  readonly expiry: string
  readonly token: string
}

/** One of the three. */
export interface TokenAnswer {
  readonly tokens: readonly Token[] | null
  readonly keys: readonly string[] | null
  readonly error: string
  readonly code: string
}

/** What became of requests over mutual TLS so far. */
export interface Seen {
  readonly requests: number
  readonly failures: readonly string[]
  /** Serials of the certificates of either side, in the order of their first use. */
  readonly servers: readonly string[] | null
  readonly clients: readonly string[] | null
  readonly error: string
}
