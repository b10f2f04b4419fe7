/** Messages of the Entry service. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Entry, EntrySchema } from '#spire/api/types/entry_pb.js'

export type EntryInit = Exclude<MessageInitShape<typeof EntrySchema>, Entry>

export const id = (path: string, trustDomain = 'example.org') => ({ trustDomain, path })
export const AGENT = id('/spire/agent/a')

/** `unix` of `unix:uid:1`, and the rest. */
export function selector(text: string) {
  const at = text.indexOf(':')
  return { type: text.slice(0, at), value: text.slice(at + 1) }
}

/** An entry for what has uid 1 on the agent. */
export function entry(path: string, more: EntryInit = {}): EntryInit {
  return { spiffeId: id(path), parentId: AGENT, selectors: [selector('unix:uid:1')], ...more }
}

/** Each field other than what an entry is by itself. */
export const FULL = {
  id: 'full',
  spiffeId: id('/web'),
  parentId: AGENT,
  selectors: [selector('unix:gid:2'), selector('unix:path:/bin/a:b')],
  x509SvidTtl: 600,
  federatesWith: ['other.test'],
  admin: true,
  downstream: true,
  expiresAt: 2_000_000_000n,
  dnsNames: ['web.example.org', 'a.example.org'],
  storeSvid: true,
  jwtSvidTtl: 300,
  hint: 'internal',
  additionalAttributes: { disableX509SvidPrefetch: true, jwtSvidIncludeJti: true },
} satisfies EntryInit
