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
import { inBatches } from './batches.ts'
import { createdBy, isDone, reasonText } from './change.ts'
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
  const count = { created: 0, there: 0, failed: 0 }
  const { results, stopped } = await withServer(options, (server) =>
    inBatches(asked, createdBy(server), (some, answer, at) =>
      answer.forEach((result, index) => {
        const line = importedLine(some[index]!, result, count)
        if (line !== undefined) io.out(output === 'table' ? line : '')
        else io.err(failedLine(at + index, some[index]!, result))
      }),
    ),
  )
  const schema = BatchCreateEntryResponseSchema
  const value = create(schema, { results: [...results] })
  if (results.length > 0 || stopped === undefined)
    io.out(
      rendered(
        output,
        { schema, value },
        () => `${count.created} created, ${count.there} there already, ${count.failed} failed\n`,
      ),
    )
  if (stopped !== undefined) {
    io.err(stopped.report)
    throw stopped.thrown
  }
  if (count.failed > 0) throw new CommandFailed(1, 'Error: failed to import one or more entries')
}

/** The entry that is there instead. */
const similar = ({ status: of, entry }: EntryResult): Entry | undefined =>
  of?.code === status.ALREADY_EXISTS ? entry : undefined

const failedLine = (index: number, { spiffeId }: Entry, { status: of }: EntryResult): string =>
  `entries[${index}] ${idText(spiffeId)}: ${reasonText(of)}\n`

/** undefined where it failed. */
function importedLine(
  asked: Entry,
  result: EntryResult,
  count: { created: number; there: number; failed: number },
): string | undefined {
  const twin = similar(result)
  if (isDone(result)) {
    count.created += 1
    return `created  ${result.entry?.id}  ${idText(result.entry?.spiffeId)}\n`
  }
  if (twin === undefined) {
    count.failed += 1
    return undefined
  }
  count.there += 1
  const other = differences(asked, twin)
  const note = other.length === 0 ? '' : `  but with another ${other.join(', ')}`
  return `there    ${twin.id}  ${idText(twin.spiffeId)}${note}\n`
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
