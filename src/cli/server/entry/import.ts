/** `entry import`: what is there already is no failure, so that it may run again and again. */
import { create } from '@bufbuild/protobuf'
import { BatchCreateEntryResponseSchema } from '#spire/api/server/entry/v1/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { Io } from '../../io.ts'
import { CommandFailed } from '../../io.ts'
import { rendered, withServer } from '../ask.ts'
import type { ImportFlags } from '../given.ts'
import type { ServerOptions } from '../options.ts'
import { createInBatches, isDone, reasonText } from './change.ts'
import type { EntryResult } from './change.ts'
import { readEntryData } from './data.ts'
import { idText } from './print.ts'

export async function importEntries(
  io: Io,
  file: string | undefined,
  options: ServerOptions & ImportFlags,
): Promise<void> {
  const { data, parentId, output } = options
  if ((file === undefined) === (data === undefined))
    throw new SpindleError('usage', 'name one file, as it is or with --data')
  const asked = await readEntryData(io, file ?? data ?? '', parentId)
  const results = await withServer(options, (server) => createInBatches(server, asked))
  const schema = BatchCreateEntryResponseSchema
  const value = create(schema, { results })
  io.out(rendered(output, { schema, value }, () => importedText(asked, results)))
  const failed = results.filter((result) => !isDone(result) && similar(result) === undefined)
  results.forEach((result, index) => {
    if (!failed.includes(result)) return
    const { spiffeId } = asked[index]!
    io.err(`entries[${index}] ${idText(spiffeId)}: ${reasonText(result.status)}\n`)
  })
  if (failed.length > 0) throw new CommandFailed(1, 'Error: failed to import one or more entries')
}

/** The entry that is there instead. */
const similar = ({ status: of, entry }: EntryResult): Entry | undefined =>
  of?.code === status.ALREADY_EXISTS ? entry : undefined

function importedText(asked: readonly Entry[], results: readonly EntryResult[]): string {
  const lines: string[] = []
  const count = { created: 0, there: 0, failed: 0 }
  results.forEach((result, index) => {
    const twin = similar(result)
    if (isDone(result)) {
      count.created += 1
      lines.push(`created  ${result.entry?.id}  ${idText(result.entry?.spiffeId)}`)
    } else if (twin === undefined) count.failed += 1
    else {
      count.there += 1
      const other = differences(asked[index]!, twin)
      const note = other.length === 0 ? '' : `  but with another ${other.join(', ')}`
      lines.push(`there    ${twin.id}  ${idText(twin.spiffeId)}${note}`)
    }
  })
  lines.push(`${count.created} created, ${count.there} there already, ${count.failed} failed`)
  return lines.map((line) => `${line}\n`).join('')
}

/** In what two entries differ that are alike to the server. */
function differences(asked: Entry, there: Entry): readonly string[] {
  const sorted = (names: readonly string[]): string =>
    names
      .map((name) => name.replace('spiffe://', ''))
      .sort()
      .join()
  const facts = (of: Entry): Readonly<Record<string, unknown>> => ({
    x509_svid_ttl: of.x509SvidTtl,
    jwt_svid_ttl: of.jwtSvidTtl,
    federates_with: sorted(of.federatesWith),
    dns_names: of.dnsNames.join(),
    hint: of.hint,
    expires_at: of.expiresAt,
    admin: of.admin,
    downstream: of.downstream,
    store_svid: of.storeSvid,
    disable_x509_svid_prefetch: of.additionalAttributes?.disableX509SvidPrefetch ?? false,
    jwt_svid_include_jti: of.additionalAttributes?.jwtSvidIncludeJti ?? false,
  })
  const [a, b] = [facts(asked), facts(there)]
  return Object.keys(a).filter((key) => a[key] !== b[key])
}
