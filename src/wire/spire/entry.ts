/**
 * `spire.api.types.Entry` as a plain value and back: a server writes it, an agent reads it whole. What operators send is read by
 * server/serve/entry, by the fields that a mask names.
 */
import { create } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Entry, EntryMask } from '../../gen/spire/api/types/entry_pb.js'
import { EntrySchema } from '../../gen/spire/api/types/entry_pb.js'
import type { Selector } from '../../registration/selector.ts'
import { parseEntryId } from '../../registration/server-entry.ts'
import type { ServerEntry } from '../../registration/server-entry.ts'
import { SpindleError } from '../../runtime/errors.ts'
import {
  readDnsNames,
  readExpiry,
  readFederatesWith,
  readHint,
  readInstant,
  readSelectors,
  readTtl,
} from './entry-fields.ts'
import { naming, readSpiffeId, spiffeIdMessage } from './spiffe-id.ts'

type EntryInit = Exclude<MessageInitShape<typeof EntrySchema>, Entry>
type Field = Exclude<keyof EntryMask & keyof Entry, `$${string}`>
type Writer = (entry: ServerEntry) => EntryInit

const WRITERS: Readonly<Record<Field, Writer>> = {
  spiffeId: ({ spiffeId }) => ({ spiffeId: spiffeIdMessage(spiffeId) }),
  parentId: ({ parentId }) => ({ parentId: spiffeIdMessage(parentId) }),
  selectors: ({ selectors }) => ({ selectors: selectors.map(selectorMessage) }),
  x509SvidTtl: ({ x509SvidTtlMs }) => ({ x509SvidTtl: secondsOf(x509SvidTtlMs) }),
  jwtSvidTtl: ({ jwtSvidTtlMs }) => ({ jwtSvidTtl: secondsOf(jwtSvidTtlMs) }),
  federatesWith: ({ federatesWith }) => ({ federatesWith: [...federatesWith] }),
  dnsNames: ({ dnsNames }) => ({ dnsNames: [...dnsNames] }),
  admin: ({ admin }) => ({ admin }),
  downstream: ({ downstream }) => ({ downstream }),
  storeSvid: ({ storeSvid }) => ({ storeSvid }),
  hint: ({ hint }) => ({ hint }),
  expiresAt: ({ expiresAt }) => ({ expiresAt: BigInt(secondsOf(expiresAt)) }),
  revisionNumber: ({ revision }) => ({ revisionNumber: BigInt(revision) }),
  createdAt: ({ createdAt }) => ({ createdAt: BigInt(secondsOf(createdAt)) }),
  // SPIRE's server leaves it out where nothing in it is set.
  additionalAttributes: ({ disableX509SvidPrefetch, jwtSvidIncludeJti }) =>
    disableX509SvidPrefetch || jwtSvidIncludeJti
      ? { additionalAttributes: { disableX509SvidPrefetch, jwtSvidIncludeJti } }
      : {},
}
const WRITING = Object.entries(WRITERS) as [Field, Writer][]

/**
 * Its ID, and the fields that `mask` names, all of them without one. Only those are written: each agent of SPIRE's asks for all
 * of its entries every 5 s.
 */
export function entryMessage(entry: ServerEntry, mask?: EntryMask): Entry {
  const fields: EntryInit = { id: entry.id }
  for (const [field, write] of WRITING)
    if (mask === undefined || mask[field]) Object.assign(fields, write(entry))
  return create(EntrySchema, fields)
}

/** An entry of a registry, as a server sends it. @throws SpindleError `request_invalid`, `spiffe_id_invalid`, `selector_invalid` */
export function readEntry(message: Entry): ServerEntry {
  const { admin, downstream, storeSvid, additionalAttributes: more, revisionNumber } = message
  if (revisionNumber < 0n || revisionNumber > BigInt(Number.MAX_SAFE_INTEGER))
    throw new SpindleError('request_invalid', 'revision_number is no number of a revision')
  const x509SvidTtlMs = readTtl('x509_svid_ttl', message.x509SvidTtl)
  const jwtSvidTtlMs = readTtl('jwt_svid_ttl', message.jwtSvidTtl)
  const expiresAt = readExpiry(message.expiresAt)
  return {
    id: parseEntryId(message.id),
    spiffeId: naming('invalid spiffe ID', () => readSpiffeId(message.spiffeId)),
    parentId: naming('invalid parent ID', () => readSpiffeId(message.parentId)),
    selectors: readSelectors(message.selectors),
    ...(x509SvidTtlMs !== undefined && { x509SvidTtlMs }),
    ...(jwtSvidTtlMs !== undefined && { jwtSvidTtlMs }),
    federatesWith: readFederatesWith(message.federatesWith),
    dnsNames: readDnsNames(message.dnsNames),
    admin,
    downstream,
    storeSvid,
    hint: readHint(message.hint),
    ...(expiresAt !== undefined && { expiresAt }),
    disableX509SvidPrefetch: more?.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: more?.jwtSvidIncludeJti ?? false,
    revision: Number(revisionNumber),
    createdAt: readInstant('created_at', message.createdAt),
  }
}

export function selectorMessage(selector: Selector): {
  readonly type: string
  readonly value: string
} {
  const colon = selector.indexOf(':')
  return { type: selector.slice(0, colon), value: selector.slice(colon + 1) }
}

const secondsOf = (ms = 0): number => Math.floor(ms / 1_000)
