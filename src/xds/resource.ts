/** A named secret as it goes over the wire: made once a version, its bytes shared by all streams. */
export interface Resource {
  readonly name: string
  /** Digest of the content: equal content, equal version (DESIGN part 4, point 2). */
  readonly version: string
  /** Serialised `envoy.extensions.transport_sockets.tls.v3.Secret`. */
  readonly bytes: Uint8Array
  /** For tables and metrics only. */
  readonly kind: 'svid' | 'bundle'
  /** ms since the epoch: an SVID's end; undefined for a bundle. */
  readonly notAfter?: number
}

/**
 * What a caller may have, name by name.
 * present: serve it · pending: it may come any moment or cannot be known yet, say nothing · absent: known not to be granted.
 */
export type Resolution =
  | { readonly state: 'present'; readonly resource: Resource }
  | { readonly state: 'pending'; readonly why: string }
  | { readonly state: 'absent'; readonly why: string }

export interface View {
  resolve(name: string): Resolution
  /** The names an empty first request stands for: all the caller has just now. */
  readonly all: readonly string[]
  /** True for content this caller has rejected before (DESIGN part 4, point 6). */
  quarantined(version: string): boolean
}

export const SECRET_TYPE_URL =
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
