import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineOf, nextExpiry, servedEntry } from '../../../src/registration/served-entry.ts'
import type { ServerEntry } from '../../../src/registration/server-entry.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { serverEntry } from '../../fakes/server-link.ts'

const own = parseTrustDomain('example.org')
const partner = parseTrustDomain('partner.test')
const served = (more: Partial<ServerEntry> = {}) => servedEntry(serverEntry('web', more), own, 100)

test('servedEntry() has what callers are matched with and given', () => {
  const entry = served({ federatesWith: [own, partner], hint: 'h', dnsNames: ['a.test'] })
  assert.deepEqual(entry, {
    id: entry?.id,
    serverId: 'web',
    spiffeId: 'spiffe://example.org/web',
    selectors: ['unix:uid:1001'],
    dnsNames: ['a.test'],
    federatesWith: [partner],
    hint: 'h',
    default: false,
  })
  assert.match(entry?.id ?? '', /^[0-9a-f]{32}$/)
})

test('servedEntry() gives the same id for the same content, and another for any other', () => {
  const ids = [
    served(),
    served({ id: serverEntry('other').id }),
    served({ hint: 'h' }),
    served({ dnsNames: ['a.test'] }),
    served({ federatesWith: [partner] }),
    served({ x509SvidTtlMs: 60_000 }),
    served({ jwtSvidTtlMs: 60_000 }),
    served({ selectors: [] }),
  ].map((entry) => entry?.id)
  assert.equal(new Set(ids).size, ids.length)
  assert.equal(served({ revision: 7, createdAt: 9, admin: true })?.id, ids[0])
})

test('servedEntry() is nothing for what is for no caller', () => {
  assert.equal(served({ storeSvid: true }), undefined)
  assert.equal(served({ expiresAt: 100 }), undefined)
  assert.notEqual(served({ expiresAt: 101 }), undefined)
})

test('lineOf() is the same for entries of one X.509-SVID, and none of a file', () => {
  const line = (more: Partial<ServerEntry>) => lineOf(served(more)!)
  assert.equal(line({ hint: 'h', federatesWith: [partner], jwtSvidTtlMs: 60_000 }), line({}))
  for (const more of [{ dnsNames: ['a.test'] }, { x509SvidTtlMs: 60_000 }])
    assert.notEqual(line(more), line({}))
  const { serverId: _, ...ofFile } = served()!
  assert.equal(lineOf(ofFile), undefined)
})

test('nextExpiry() is the first instant yet to come', () => {
  const at = (expiresAt: number) => serverEntry('web', { expiresAt })
  assert.equal(nextExpiry([at(300), at(200), at(100), serverEntry('web')], 100), 200)
  assert.equal(nextExpiry([at(100), serverEntry('web')], 100), undefined)
})
