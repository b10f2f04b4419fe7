/** An entry's flags as the message that the server takes. */
import { create } from '@bufbuild/protobuf'
import type { Entry } from '#spire/api/types/entry_pb.js'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import { parseSelector } from '../../../registration/selector.ts'
import { parseSpiffeId, serverSpiffeId, trustDomainOf } from '../../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import { selectorMessage } from '../../../wire/spire/entry.ts'
import { spiffeIdMessage } from '../../../wire/spire/spiffe-id.ts'

export interface EntryFlags {
  /** A file instead of all others. */
  readonly data?: string
  readonly spiffeId?: string
  readonly parentId?: string
  /** The parent is the server: an alias of the nodes that have the selectors. */
  readonly node?: true
  readonly entryId?: string
  readonly selector?: readonly string[]
  readonly x509SvidTtl?: number
  readonly jwtSvidTtl?: number
  readonly federatesWith?: readonly string[]
  readonly dns?: readonly string[]
  readonly hint?: string
  readonly entryExpiry?: number
  readonly admin?: true
  readonly downstream?: true
  readonly storeSvid?: true
  readonly disableX509SvidPrefetch?: true
  readonly jwtSvidIncludeJti?: true
}

/** @throws SpindleError `usage`, `spiffe_id_invalid`, `selector_invalid` */
export function entryOfFlags(flags: EntryFlags): Entry {
  const spiffeId = parseSpiffeId(needed(flags.spiffeId, '--spiffe-id'))
  const { disableX509SvidPrefetch = false, jwtSvidIncludeJti = false } = flags
  return create(EntrySchema, {
    id: flags.entryId ?? '',
    spiffeId: spiffeIdMessage(spiffeId),
    parentId: spiffeIdMessage(parentOf(flags, trustDomainOf(spiffeId))),
    selectors: needed(flags.selector, '--selector').map((text) =>
      selectorMessage(parseSelector(text)),
    ),
    x509SvidTtl: flags.x509SvidTtl ?? 0,
    jwtSvidTtl: flags.jwtSvidTtl ?? 0,
    federatesWith: [...(flags.federatesWith ?? [])],
    dnsNames: [...(flags.dns ?? [])],
    hint: flags.hint ?? '',
    expiresAt: BigInt(flags.entryExpiry ?? 0),
    admin: flags.admin ?? false,
    downstream: flags.downstream ?? false,
    storeSvid: flags.storeSvid ?? false,
    ...((disableX509SvidPrefetch || jwtSvidIncludeJti) && {
      additionalAttributes: { disableX509SvidPrefetch, jwtSvidIncludeJti },
    }),
  })
}

function parentOf({ node, parentId }: EntryFlags, trustDomain: TrustDomain): SpiffeId {
  if (node !== true) return parseSpiffeId(needed(parentId, '--parent-id, or --node'))
  if (parentId === undefined) return serverSpiffeId(trustDomain)
  throw new SpindleError('usage', '--node says what the parent is: leave --parent-id out')
}

export function needed<T>(value: T | undefined, flag: string): T {
  if (value !== undefined) return value
  throw new SpindleError('usage', `${flag} is missing`)
}
