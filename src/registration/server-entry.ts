import { SpindleError } from '../runtime/errors.ts'
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Selector } from './selector.ts'

declare const entryId: unique symbol
/** The name of an entry in a server's registry, given by who creates it or drawn at random. */
export type EntryId = string & { readonly [entryId]: true }

const ENTRY_ID = /^[A-Za-z0-9._-]{1,255}$/

/** @throws SpindleError `request_invalid` */
export function parseEntryId(text: string): EntryId {
  if (ENTRY_ID.test(text)) return text as EntryId
  throw new SpindleError(
    'request_invalid',
    'the id of an entry is 1 to 255 characters of A-Z a-z 0-9 . _ -',
  )
}

/** What an entry says, as SPIRE's API has it (`spire.api.types.Entry`). */
export interface EntryContent {
  readonly spiffeId: SpiffeId
  /** An agent, the server (then the entry is an alias of the agents that have its selectors), or another entry. */
  readonly parentId: SpiffeId
  /** At least one; sorted and unique. */
  readonly selectors: readonly Selector[]
  /** undefined: the server's default. */
  readonly x509SvidTtlMs?: number
  /** undefined: the server's default. */
  readonly jwtSvidTtlMs?: number
  /** Sorted and unique. */
  readonly federatesWith: readonly TrustDomain[]
  /** In the order given: the first one is the subject's common name. */
  readonly dnsNames: readonly string[]
  readonly admin: boolean
  readonly downstream: boolean
  readonly storeSvid: boolean
  /** '' for none. */
  readonly hint: string
  /** undefined: never. */
  readonly expiresAt?: number
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
}

/** An entry in a server's registry. */
export interface ServerEntry extends EntryContent {
  readonly id: EntryId
  /** From 0; one more at each change of this entry. */
  readonly revision: number
  readonly createdAt: number
}
