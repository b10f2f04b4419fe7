/** What operators say of entries (`spire.api.types.Entry`), field by field as masks name them, by SPIRE's rules and in its words. */
import type { Entry, EntryMask } from '../../../gen/spire/api/types/entry_pb.js'
import type { Selector } from '../../../registration/selector.ts'
import type { EntryContent } from '../../../registration/server-entry.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import * as fields from '../../../wire/spire/entry-fields.ts'
import { naming } from '../../../wire/spire/spiffe-id.ts'
import { readMemberId, readWorkloadId } from '../api/ids.ts'
import type { MaskOf } from '../api/mask.ts'

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
  dnsNames: ({ dnsNames }) => ({ dnsNames: fields.readDnsNames(dnsNames) }),
  downstream: ({ downstream }) => ({ downstream }),
  expiresAt: ({ expiresAt }) => ({ expiresAt: fields.readExpiry(expiresAt) }),
  federatesWith: ({ federatesWith }, own) => ({
    federatesWith: foreign(fields.readFederatesWith(federatesWith), own),
  }),
  selectors: ({ selectors }) => ({ selectors: fields.readSelectors(selectors) }),
  storeSvid: ({ storeSvid }) => ({ storeSvid }),
  x509SvidTtl: ({ x509SvidTtl }) => ({
    x509SvidTtlMs: fields.readTtl('x509_svid_ttl', x509SvidTtl),
  }),
  jwtSvidTtl: ({ jwtSvidTtl }) => ({ jwtSvidTtlMs: fields.readTtl('jwt_svid_ttl', jwtSvidTtl) }),
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

/** `unix` of `unix:uid:1000`. */
function selectorType(selector: Selector): string {
  return selector.slice(0, selector.indexOf(':'))
}

/**
 * That there is a bundle of each is looked at when it is stored. The own trust domain is refused: SPIRE takes it, and then refuses
 * the agents that ask for its bundle as for a foreign one.
 */
function foreign(trustDomains: readonly TrustDomain[], own: TrustDomain): readonly TrustDomain[] {
  if (!trustDomains.includes(own)) return trustDomains
  throw invalid(`invalid federated trust domain: "${own}" is this server's own trust domain`)
}

/** @throws SpindleError `request_invalid` */
export function readHint(hint: string): string {
  // It is shown on terminals, and a store keeps no NUL.
  if (/\p{Cc}/u.test(fields.readHint(hint))) throw invalid('hint has a control character')
  return hint
}

function invalid(message: string): SpindleError {
  return new SpindleError('request_invalid', message)
}
