import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import type { ServerEntry } from '../../../../src/registration/server-entry.ts'
import { parseEntryId } from '../../../../src/registration/server-entry.ts'
import { parseSelector } from '../../../../src/registration/selector.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
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
  ['no SPIFFE ID', { spiffeId: undefined }, /^invalid spiffe ID: request must specify SPIFFE ID$/],
  ['an ID without a trust domain', { spiffeId: { path: '/a' } }, /^invalid spiffe ID: /],
  [
    'a path within the trust domain',
    { spiffeId: { trustDomain: 'example.org/a', path: '/b' } },
    /^invalid spiffe ID: /,
  ],
  ['a path without a slash', { parentId: { trustDomain: 'a', path: 'b' } }, /^invalid parent ID: /],
  ['no selector', { selectors: [] }, /^selector list is empty$/],
  ['a selector without a value', { selectors: [{ type: 'unix' }] }, /^missing selector value$/],
  ['a selector without a type', { selectors: [{ value: 'uid:1' }] }, /^missing selector type$/],
  [
    'a type with a colon',
    { selectors: [{ type: 'unix:uid', value: '1' }] },
    /^selector type contains ':'$/,
  ],
  [
    'a selector that no attestor can report',
    { selectors: [{ type: 'unix', value: 'a\nb' }] },
    /control character/,
  ],
  ['a TTL below 0', { x509SvidTtl: -1 }, /^x509_svid_ttl is below 0$/],
  ['a JWT TTL below 0', { jwtSvidTtl: -1 }, /^jwt_svid_ttl is below 0$/],
  ['an end below 0', { expiresAt: -1n }, /^expires_at is below 0$/],
  ['an end beyond time', { expiresAt: 2n ** 62n }, /^expires_at is after the last instant/],
  [
    'a trust domain that is none',
    { federatesWith: ['A'] },
    /^invalid federated trust domain: "A" has /,
  ],
  ['a DNS name that is none', { dnsNames: ['a b'] }, /^invalid DNS name: "a b" has /],
  ['a hint without end', { hint: 'x'.repeat(1_025) }, /^hint is too long/],
  ['a hint of too many bytes', { hint: 'ü'.repeat(513) }, /^hint is too long/],
  ['a revision below 0', { revisionNumber: -1n }, /^revision_number /],
  ['a beginning below 0', { createdAt: -1n }, /^created_at is below 0$/],
]

const CODES: readonly unknown[] = ['request_invalid', 'spiffe_id_invalid', 'selector_invalid']

for (const [name, over, says] of BAD)
  test(`readEntry refuses an entry with ${name}, and says where`, () => {
    assert.throws(
      () => read(over),
      (thrown) =>
        thrown instanceof SpindleError && CODES.includes(thrown.code) && says.test(thrown.message),
    )
  })

test('readEntry takes the hint of a server that lets control characters in', () => {
  assert.equal(read({ hint: 'a\nb' }).hint, 'a\nb')
})
