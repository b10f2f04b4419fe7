/** What operators say of entries (`spire.api.types.Entry`), field by field as masks name them, by SPIRE's rules and in its words. */
import { Buffer } from 'node:buffer'
import type { Entry, EntryMask } from '../../../gen/spire/api/types/entry_pb.js'
import type { Selector } from '../../../registration/selector.ts'
import type { EntryContent } from '../../../registration/server-entry.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { dnsNameFault } from '../../../spiffe/dns-name.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { MAX_NAMES, MAX_SELECTORS } from '../../../wire/spire/entry.ts'
import { readMemberId, readTrustDomain, readWorkloadId } from '../api/ids.ts'
import type { MaskOf } from '../api/mask.ts'
import { readSelector, selectorType } from '../api/selectors.ts'
import { naming } from '../api/status.ts'

/** What a message says of some fields; a member that is undefined is to be as where nothing is said. */
export type EntryChanges = { readonly [Key in keyof EntryContent]?: EntryContent[Key] | undefined }

type MaskField = keyof MaskOf<Entry, 'id'>
type Reader = (message: Entry, own: TrustDomain) => EntryChanges

/** The fields that clients set. The revision and when it was created are the server's own, whatever a message says. */
const READERS: Readonly<Record<Exclude<MaskField, 'revisionNumber' | 'createdAt'>, Reader>> = {
  // In SPIRE's order: of several faults the first is told.
  parentId: ({ parentId }, own) => ({
    parentId: naming('invalid parent ID', () => readMemberId(parentId, own)),
  }),
  spiffeId: ({ spiffeId }, own) => ({
    spiffeId: naming('invalid spiffe ID', () => readWorkloadId(spiffeId, own)),
  }),
  admin: ({ admin }) => ({ admin }),
  dnsNames: ({ dnsNames }) => ({ dnsNames: readDnsNames(dnsNames) }),
  downstream: ({ downstream }) => ({ downstream }),
  expiresAt: ({ expiresAt }) => ({ expiresAt: readExpiry(expiresAt) }),
  federatesWith: ({ federatesWith }, own) => ({
    federatesWith: unique(
      atMost(MAX_NAMES, 'federates_with', federatesWith).map((text) => readFederated(text, own)),
    ),
  }),
  selectors: ({ selectors }) => ({ selectors: readSelectors(selectors) }),
  storeSvid: ({ storeSvid }) => ({ storeSvid }),
  x509SvidTtl: ({ x509SvidTtl }) => ({ x509SvidTtlMs: readTtl('x509_svid_ttl', x509SvidTtl) }),
  jwtSvidTtl: ({ jwtSvidTtl }) => ({ jwtSvidTtlMs: readTtl('jwt_svid_ttl', jwtSvidTtl) }),
  hint: ({ hint }) => ({ hint: readHint(hint) }),
  additionalAttributes: ({ additionalAttributes: attributes }) => ({
    disableX509SvidPrefetch: attributes?.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: attributes?.jwtSvidIncludeJti ?? false,
  }),
}

/**
 * What `message` says of the fields that `mask` names, of all of them without a mask. The others are not looked at.
 * @throws SpindleError `request_invalid`, `spiffe_id_invalid` or `selector_invalid`, in SPIRE's words where it has some
 */
export function readChanges(
  message: Entry,
  mask: EntryMask | undefined,
  own: TrustDomain,
): EntryChanges {
  const changes: { [Key in keyof EntryChanges]: EntryChanges[Key] } = {}
  for (const [field, read] of Object.entries(READERS))
    if (mask === undefined || mask[field as keyof typeof READERS])
      Object.assign(changes, read(message, own))
  return changes
}

/** A whole entry. @throws SpindleError as `readChanges`, and as `checkContent` */
export function readContent(message: Entry, own: TrustDomain): EntryContent {
  // Every field has been read.
  const content = readChanges(message, undefined, own) as EntryContent
  checkContent(content)
  return content
}

/** What holds between the fields of an entry. @throws SpindleError `request_invalid` */
export function checkContent({ storeSvid, selectors }: EntryContent): void {
  if (storeSvid && new Set(selectors.map(selectorType)).size > 1)
    throw new SpindleError(
      'request_invalid',
      'selector types must be the same when store SVID is enabled',
    )
}

function unique<T extends string>(members: readonly T[]): readonly T[] {
  return Array.from(new Set(members)).sort()
}

function invalid(message: string): SpindleError {
  return new SpindleError('request_invalid', message)
}

function atMost<T>(most: number, field: string, members: readonly T[]): readonly T[] {
  if (members.length > most) throw invalid(`${field} are more than ${most}`)
  return members
}

function readSelectors(messages: Entry['selectors']): readonly Selector[] {
  if (messages.length === 0) throw invalid('selector list is empty')
  return unique(atMost(MAX_SELECTORS, 'selectors', messages).map(readSelector))
}

function readDnsNames(names: readonly string[]): readonly string[] {
  for (const name of atMost(MAX_NAMES, 'dns_names', names)) {
    const fault = dnsNameFault(name)
    if (fault !== undefined)
      throw invalid(`invalid DNS name: ${JSON.stringify(name.slice(0, 253))} ${fault}`)
  }
  // In the order given: the first one is the common name.
  return Array.from(new Set(names))
}

/**
 * That there is a bundle of it is looked at when it is stored. The own trust domain is refused: SPIRE takes it, and then refuses
 * the agents that ask for its bundle as for a foreign one.
 */
function readFederated(text: string, own: TrustDomain): TrustDomain {
  const trustDomain = naming('invalid federated trust domain', () => readTrustDomain(text))
  if (trustDomain !== own) return trustDomain
  throw invalid(`invalid federated trust domain: "${own}" is this server's own trust domain`)
}

/** The end of the year 9999, the last that a certificate can say (RFC 5280 4.1.2.5). */
const LAST_INSTANT = 253_402_300_799n

function readExpiry(expiresAt: bigint): number | undefined {
  if (expiresAt < 0n) throw invalid('expires_at is below 0')
  if (expiresAt > LAST_INSTANT) throw invalid('expires_at is after the year 9999')
  return expiresAt === 0n ? undefined : Number(expiresAt) * 1000
}

function readTtl(field: string, ttl: number): number | undefined {
  if (ttl < 0) throw invalid(`${field} is below 0`)
  return ttl === 0 ? undefined : ttl * 1000
}

const MOST_HINT_BYTES = 1024

/** @throws SpindleError `request_invalid` */
export function readHint(hint: string): string {
  if (Buffer.byteLength(hint) > MOST_HINT_BYTES)
    throw invalid(`hint is too long, max length is ${MOST_HINT_BYTES} characters`)
  // It is shown on terminals, and a store keeps no NUL.
  if (/\p{Cc}/u.test(hint)) throw invalid('hint has a control character')
  return hint
}
