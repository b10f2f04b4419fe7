/** The registry as a file: JSON as SPIRE's `entry create -data` takes it, or YAML with the names this project has. */
import type { Entry } from '#spire/api/types/entry_pb.js'
import { durationText } from '../../../config/scalars.ts'
import type { Io } from '../../io.ts'
import { renderPlain } from '../../output.ts'
import { withServer } from '../ask.ts'
import type { FilterFlags } from './filter.ts'
import { idText } from './print.ts'
import { listEntries } from './show.ts'

export async function exportEntries(
  io: Io,
  options: FilterFlags & { readonly serverSocket: string; readonly output: 'json' | 'yaml' },
): Promise<void> {
  const entries = await withServer(options, (server) => listEntries(server, options))
  const shape = options.output === 'json' ? spireShape : ownShape
  io.out(renderPlain(options.output, { entries: entries.map(shape) }))
}

function spireShape(entry: Entry): Readonly<Record<string, unknown>> {
  const more = entry.additionalAttributes
  return given({
    entry_id: entry.id,
    spiffe_id: idText(entry.spiffeId),
    parent_id: idText(entry.parentId),
    selectors: entry.selectors.map(({ type, value }) => ({ type, value })),
    x509_svid_ttl: entry.x509SvidTtl,
    jwt_svid_ttl: entry.jwtSvidTtl,
    federates_with: entry.federatesWith,
    dns_names: entry.dnsNames,
    hint: entry.hint,
    // SPIRE's own way of writing this one.
    entryExpiry: Number(entry.expiresAt),
    admin: entry.admin,
    downstream: entry.downstream,
    store_svid: entry.storeSvid,
    disable_x509_svid_prefetch: more?.disableX509SvidPrefetch,
    jwt_svid_include_jti: more?.jwtSvidIncludeJti,
  })
}

function ownShape(entry: Entry): Readonly<Record<string, unknown>> {
  const more = entry.additionalAttributes
  const duration = (seconds: number): string | undefined =>
    seconds === 0 ? undefined : durationText(seconds * 1000)
  return given({
    entryId: entry.id,
    spiffeId: idText(entry.spiffeId),
    parentId: idText(entry.parentId),
    selectors: entry.selectors.map(({ type, value }) => `${type}:${value}`),
    x509SvidTtl: duration(entry.x509SvidTtl),
    jwtSvidTtl: duration(entry.jwtSvidTtl),
    federatesWith: entry.federatesWith,
    dnsNames: entry.dnsNames,
    hint: entry.hint,
    entryExpiry: Number(entry.expiresAt),
    admin: entry.admin,
    downstream: entry.downstream,
    storeSvid: entry.storeSvid,
    disableX509SvidPrefetch: more?.disableX509SvidPrefetch,
    jwtSvidIncludeJti: more?.jwtSvidIncludeJti,
  })
}

/** Without what says nothing. */
function given(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const says = (value: unknown): boolean =>
    value !== undefined &&
    value !== 0 &&
    value !== false &&
    value !== '' &&
    !(Array.isArray(value) && value.length === 0)
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => says(value)))
}
