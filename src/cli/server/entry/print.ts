/** Entries as SPIRE's commands print them, which scripts read. */
import type { Entry } from '#spire/api/types/entry_pb.js'
import type { SPIFFEID } from '#spire/api/types/spiffeid_pb.js'
import { counted, goInstant } from '../text.ts'

export function entryText(entry: Entry): string {
  const ttl = (seconds: number): string => (seconds === 0 ? 'default' : String(seconds))
  const lines: readonly (readonly [name: string, value: string])[] = [
    ['Entry ID', entry.id === '' ? '(none)' : entry.id],
    ['SPIFFE ID', idText(entry.spiffeId)],
    ['Parent ID', idText(entry.parentId)],
    ['Revision', String(entry.revisionNumber)],
    ...given('Downstream', entry.downstream),
    ['X509-SVID TTL', ttl(entry.x509SvidTtl)],
    ['JWT-SVID TTL', ttl(entry.jwtSvidTtl)],
    ...(entry.expiresAt === 0n ? [] : ([['Expiration time', goInstant(entry.expiresAt)]] as const)),
    ...entry.selectors.map(({ type, value }) => ['Selector', `${type}:${value}`] as const),
    ...entry.federatesWith.map((name) => ['FederatesWith', name] as const),
    ...entry.dnsNames.map((name) => ['DNS name', name] as const),
    ...given('Admin', entry.admin),
    ...given('StoreSvid', entry.storeSvid),
    ...(entry.hint === '' ? [] : ([['Hint', entry.hint]] as const)),
  ]
  return lines.map(([name, value]) => `${name.padEnd(16)} : ${value}\n`).join('') + '\n'
}

export function entriesText(entries: readonly Entry[]): string {
  const count = counted(entries.length, 'entry', 'entries')
  return `Found ${count}\n${entries.map(entryText).join('')}`
}

export function idText(id: SPIFFEID | undefined): string {
  return id === undefined ? '' : `spiffe://${id.trustDomain}${id.path}`
}

const given = (name: string, value: boolean): readonly (readonly [string, string])[] =>
  value ? [[name, 'true']] : []
