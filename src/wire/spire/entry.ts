/**
 * `spire.api.types.Entry` as a plain value and back: a server writes it, an agent reads it, and none in part. What operators send
 * is read by server/serve/entry, field by field and in SPIRE's words.
 */
import { create } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Entry, EntryMask } from '../../gen/spire/api/types/entry_pb.js'
import { EntrySchema } from '../../gen/spire/api/types/entry_pb.js'
import type { Selector as SelectorMessage } from '../../gen/spire/api/types/selector_pb.js'
import { parseSelector } from '../../registration/selector.ts'
import type { Selector } from '../../registration/selector.ts'
import { parseEntryId } from '../../registration/server-entry.ts'
import type { EntryContent, ServerEntry } from '../../registration/server-entry.ts'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { dnsNameFault } from '../../spiffe/dns-name.ts'
import { readSpiffeId, readTrustDomain, spiffeIdMessage } from './spiffe-id.ts'

/** SPIRE's. */
const MAX_HINT = 1024
/** Ours: a server takes no more in than its agents do. */
export const MAX_SELECTORS = 1_000
/** Of trust domains, and of DNS names. */
export const MAX_NAMES = 1_000
/** The last instant that a Date has. */
const LATEST_SECOND = 8_640_000_000_000n

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

/** An entry of a registry. @throws SpindleError `request_invalid` that names the field */
export function readEntry(message: Entry): ServerEntry {
  const { revisionNumber, createdAt } = message
  if (revisionNumber < 0n || revisionNumber > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalid('revision_number: is no number of a revision')
  return {
    ...readEntryContent(message),
    id: parseEntryId(message.id),
    revision: Number(revisionNumber),
    createdAt: instantOf(createdAt, 'created_at'),
  }
}

/** What of an entry is not the server's to say. @throws SpindleError `request_invalid` that names the field */
function readEntryContent(message: Entry): EntryContent {
  const { hint, additionalAttributes: more } = message
  if (hint.length > MAX_HINT) throw invalid(`hint: is longer than ${MAX_HINT} characters`)
  const x509SvidTtlMs = ttlOf(message.x509SvidTtl, 'x509_svid_ttl')
  const jwtSvidTtlMs = ttlOf(message.jwtSvidTtl, 'jwt_svid_ttl')
  const expiresAt = instantOf(message.expiresAt, 'expires_at')
  return {
    spiffeId: readSpiffeId(message.spiffeId, 'spiffe_id'),
    parentId: readSpiffeId(message.parentId, 'parent_id'),
    selectors: selectorsOf(message.selectors),
    ...(x509SvidTtlMs > 0 && { x509SvidTtlMs }),
    ...(jwtSvidTtlMs > 0 && { jwtSvidTtlMs }),
    federatesWith: atMost(message.federatesWith, MAX_NAMES, 'federates_with')
      .map((name) => readTrustDomain(name, 'federates_with'))
      .sort()
      .filter(isNew),
    dnsNames: atMost(message.dnsNames, MAX_NAMES, 'dns_names').map(readDnsName).filter(isFirst),
    admin: message.admin,
    downstream: message.downstream,
    storeSvid: message.storeSvid,
    hint,
    ...(expiresAt > 0 && { expiresAt }),
    disableX509SvidPrefetch: more?.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: more?.jwtSvidIncludeJti ?? false,
  }
}

export function selectorMessage(selector: Selector): {
  readonly type: string
  readonly value: string
} {
  const colon = selector.indexOf(':')
  return { type: selector.slice(0, colon), value: selector.slice(colon + 1) }
}

/** @throws SpindleError `request_invalid` */
export function readSelector({ type, value }: Pick<SelectorMessage, 'type' | 'value'>): Selector {
  if (type === '') throw invalid('selectors: a selector has no type')
  if (type.includes(':')) throw invalid('selectors: the type of a selector has ":" in it')
  if (value === '') throw invalid('selectors: a selector has no value')
  try {
    return parseSelector(`${type}:${value}`)
  } catch (thrown) {
    throw invalid(`selectors: ${messageOf(thrown)}`)
  }
}

function selectorsOf(messages: readonly SelectorMessage[]): readonly Selector[] {
  if (messages.length === 0) throw invalid('selectors: there is none')
  return atMost(messages, MAX_SELECTORS, 'selectors').map(readSelector).sort().filter(isNew)
}

function readDnsName(name: string): string {
  const fault = dnsNameFault(name)
  if (fault !== undefined)
    throw invalid(`dns_names: ${JSON.stringify(name.slice(0, 80).toWellFormed())} ${fault}`)
  return name
}

function ttlOf(seconds: number, field: string): number {
  if (seconds < 0) throw invalid(`${field}: is below 0`)
  return seconds * 1_000
}

function instantOf(seconds: bigint, field: string): number {
  if (seconds < 0n || seconds > LATEST_SECOND) throw invalid(`${field}: is no instant`)
  return Number(seconds) * 1_000
}

const secondsOf = (ms = 0): number => Math.floor(ms / 1_000)

function atMost<T>(items: readonly T[], most: number, field: string): readonly T[] {
  if (items.length > most) throw invalid(`${field}: are more than ${most}`)
  return items
}

/** Of a sorted list. */
const isNew = (item: string, at: number, all: readonly string[]): boolean => item !== all[at - 1]
const isFirst = (item: string, at: number, all: readonly string[]): boolean =>
  all.indexOf(item) === at

function invalid(fault: string): SpindleError {
  return new SpindleError('request_invalid', fault)
}
