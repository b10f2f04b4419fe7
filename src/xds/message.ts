import type { Resource } from './resource.ts'
import type { NackClass } from './nack.ts'

/** Requests and responses as plain values: what a stream's adapter decodes and encodes. */

/** google.rpc.Status. Its text may hold a private key (Envoy prints the whole secret): classify it, never keep it. */
export interface ErrorDetail {
  readonly code: number
  readonly message: string
}

export interface SotwRequest {
  readonly names: readonly string[]
  readonly versionInfo: string
  readonly responseNonce: string
  readonly typeUrl: string
  readonly error?: ErrorDetail | undefined
}

export interface DeltaRequest {
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  /** Name to version, as the client claims after a reconnect. Never believed: Envoy claims rejected content too. */
  readonly initialResourceVersions: Readonly<Record<string, string>>
  readonly responseNonce: string
  readonly typeUrl: string
  readonly error?: ErrorDetail | undefined
}

export interface SotwResponse {
  readonly nonce: string
  /** Of the set that is sent; for one resource it is that resource's own. */
  readonly version: string
  /** At least one. */
  readonly resources: readonly Resource[]
}

/** Either one resource or the names removed, never both: so that an answer is about one thing. */
export interface DeltaResponse {
  readonly nonce: string
  /** What Envoy shows as the version in its stats and config dump. */
  readonly systemVersion: string
  readonly resources: readonly [] | readonly [Resource]
  readonly removed: readonly string[]
}

/** One resource of a response, without its bytes. */
export interface SentResource {
  readonly name: string
  readonly version: string
  readonly kind: Resource['kind']
  /** False where the response only repeats what the client acknowledged last under this name. */
  readonly fresh: boolean
}

/** What happened on a stream that its adapter counts, logs or acts on. No note holds text of the client's. */
export type Note =
  /** Accepted. An answer to a removal has no `resources`. */
  | {
      readonly type: 'ack'
      readonly nonce: string
      readonly resources: readonly SentResource[]
    }
  /**
   * Rejected. `rejected` is what the answer can be about: what the response did not merely repeat. `quarantine` are the
   * versions to keep from this caller (View.quarantined); empty where the client asked a name for the wrong
   * purpose, which says nothing about the content.
   */
  | {
      readonly type: 'nack'
      readonly nonce: string
      readonly class: NackClass
      readonly rejected: readonly SentResource[]
      readonly quarantine: readonly string[]
    }
  /** An acknowledgement of content this caller has rejected: Envoy does so when it sees the bytes again. Not believed. */
  | {
      readonly type: 'ack-of-rejected'
      readonly nonce: string
      readonly resources: readonly SentResource[]
    }
  /** The deadline passed without an answer; the next response no longer waits for it. */
  | { readonly type: 'unanswered'; readonly nonce: string; readonly names: readonly string[] }
  /** An answer to no response, to an older one, or a second one. SotW: the names it held were ignored too if `namesIgnored`. */
  | { readonly type: 'stale-nonce'; readonly namesIgnored: boolean }
