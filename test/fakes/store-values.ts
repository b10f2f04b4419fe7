import { parseSelector } from '../../src/registration/selector.ts'
import { parseEntryId } from '../../src/registration/server-entry.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { AttestedAgent, NewEntry, StoredBundle } from '../../src/store/model.ts'

export const id = (path: string) => parseSpiffeId(`spiffe://example.org${path}`)
export const td = parseTrustDomain
export const selectors = (...texts: readonly string[]) => texts.map(parseSelector)
export const entryId = parseEntryId

/** An entry whose SPIFFE ID has `path`. */
export function entry(path: string, more: Partial<NewEntry> = {}): NewEntry {
  return {
    spiffeId: id(path),
    parentId: id('/spire/agent/a'),
    selectors: selectors('unix:uid:1'),
    federatesWith: [],
    dnsNames: [],
    admin: false,
    downstream: false,
    storeSvid: false,
    hint: '',
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    ...more,
  }
}

export function agent(path: string, more: Partial<AttestedAgent> = {}): AttestedAgent {
  return {
    id: id(path),
    attestationType: 'join_token',
    serial: '1',
    expiresAt: 1_000,
    canReattest: false,
    banned: false,
    version: '',
    selectors: [],
    ...more,
  }
}

export function bundle(name: string, more: Partial<StoredBundle> = {}): StoredBundle {
  return {
    trustDomain: td(name),
    x509Authorities: [{ certificate: Uint8Array.of(0x30, 0, 255), tainted: false }],
    jwtAuthorities: [],
    witAuthorities: [],
    sequence: 1,
    ...more,
  }
}
