import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import type { ServerEntry } from '../../../../src/registration/server-entry.ts'
import { parseEntryId } from '../../../../src/registration/server-entry.ts'
import { parseSelector } from '../../../../src/registration/selector.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { entryMessage, readEntry } from '../../../../src/wire/spire/entry.ts'

const FULL: ServerEntry = {
  id: parseEntryId('web.1'),
  spiffeId: parseSpiffeId('spiffe://example.org/web'),
  parentId: parseSpiffeId('spiffe://example.org/spire/agent/join_token/t'),
  selectors: [parseSelector('k8s:pod-label:app:web'), parseSelector('unix:uid:1001')],
  x509SvidTtlMs: 600_000,
  jwtSvidTtlMs: 60_000,
  federatesWith: [parseTrustDomain('a.test'), parseTrustDomain('b.test')],
  dnsNames: ['web.example.org', '*.web.example.org'],
  admin: true,
  downstream: true,
  storeSvid: true,
  hint: 'external',
  expiresAt: Date.UTC(2030, 0, 1),
  disableX509SvidPrefetch: true,
  jwtSvidIncludeJti: true,
  revision: 7,
  createdAt: Date.UTC(2029, 0, 1),
}

const WIRE = {
  id: 'e',
  spiffeId: { trustDomain: 'example.org', path: '/web' },
  parentId: { trustDomain: 'example.org', path: '/agent' },
  selectors: [{ type: 'unix', value: 'uid:1001' }],
}

const read = (over: object = {}): ServerEntry =>
  readEntry(create(EntrySchema, { ...WIRE, ...over } as MessageInitShape<typeof EntrySchema>))

test('readEntry reads every field as entryMessage has written it', () => {
  const bytes = toBinary(EntrySchema, entryMessage(FULL))
  assert.deepEqual(readEntry(fromBinary(EntrySchema, bytes)), FULL)
})

test('readEntry has no key for what was left to the server, and no attributes where none is set', () => {
  const entry = read()
  for (const absent of ['x509SvidTtlMs', 'jwtSvidTtlMs', 'expiresAt'])
    assert.ok(!(absent in entry), absent)
  assert.equal(entryMessage(entry).additionalAttributes, undefined)
})

test('readEntry sorts what is a set, and keeps the order of DNS names', () => {
  const entry = read({
    selectors: [
      { type: 'unix', value: 'uid:2' },
      { type: 'unix', value: 'gid:1' },
      { type: 'unix', value: 'uid:2' },
    ],
    federatesWith: ['spiffe://b.test', 'a.test', 'b.test'],
    dnsNames: ['b.test', 'a.test', 'b.test'],
  })
  assert.deepEqual(entry.selectors, ['unix:gid:1', 'unix:uid:2'])
  assert.deepEqual(entry.federatesWith, ['a.test', 'b.test'])
  assert.deepEqual(entry.dnsNames, ['b.test', 'a.test'])
})

const BAD: readonly [name: string, over: object, says: RegExp][] = [
  ['no id', { id: '' }, /id of an entry/],
  ['no SPIFFE ID', { spiffeId: undefined }, /^spiffe_id: is missing/],
  ['an ID without a trust domain', { spiffeId: { path: '/a' } }, /^spiffe_id: /],
  [
    'a path within the trust domain',
    { spiffeId: { trustDomain: 'example.org/a', path: '/b' } },
    /^spiffe_id: /,
  ],
  ['a path without a slash', { parentId: { trustDomain: 'a', path: 'b' } }, /^parent_id: /],
  ['no selector', { selectors: [] }, /^selectors: /],
  ['a selector without a value', { selectors: [{ type: 'unix' }] }, /^selectors: .* no value/],
  ['a selector without a type', { selectors: [{ value: 'uid:1' }] }, /^selectors: .* no type/],
  ['a type with a colon', { selectors: [{ type: 'unix:uid', value: '1' }] }, /^selectors: /],
  ['a TTL below 0', { x509SvidTtl: -1 }, /^x509_svid_ttl: /],
  ['a JWT TTL below 0', { jwtSvidTtl: -1 }, /^jwt_svid_ttl: /],
  ['an end below 0', { expiresAt: -1n }, /^expires_at: /],
  ['an end beyond time', { expiresAt: 2n ** 62n }, /^expires_at: /],
  ['a trust domain that is none', { federatesWith: ['A'] }, /^federates_with: /],
  ['a DNS name that is none', { dnsNames: ['a_b'] }, /^dns_names: /],
  ['a hint without end', { hint: 'x'.repeat(1_025) }, /^hint: /],
  ['a revision below 0', { revisionNumber: -1n }, /^revision_number: /],
]

for (const [name, over, says] of BAD)
  test(`readEntry refuses an entry with ${name}, and says where`, () => {
    assert.throws(() => read(over), { code: 'request_invalid', message: says })
  })
