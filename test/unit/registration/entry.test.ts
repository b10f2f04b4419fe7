import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createEntry,
  type Entry,
  type EntryFields,
  type EntryFault,
} from '../../../src/registration/entry.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'

const trustDomain = parseTrustDomain('example.org')
const web: EntryFields = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1001'] }

function entryOf(fields: EntryFields): Entry {
  const { entry, faults } = createEntry(fields, trustDomain)
  assert.deepEqual(faults, undefined)
  assert.ok(entry)
  return entry
}

function faultsOf(change: Partial<EntryFields>): readonly EntryFault[] {
  const { entry, faults } = createEntry({ ...web, ...change }, trustDomain)
  assert.equal(entry, undefined)
  assert.ok(faults && faults.length > 0)
  return faults
}

function assertFault(change: Partial<EntryFields>, path: string, message: RegExp): void {
  const faults = faultsOf(change)
  assert.deepEqual(
    faults.map((fault) => fault.path),
    [path],
  )
  assert.match(faults[0]?.message ?? '', message)
}

test('createEntry fills in what an entry leaves out', () => {
  const { id, ...entry } = entryOf(web)
  assert.match(id, /^[0-9a-f]{32}$/)
  assert.deepEqual(entry, { ...web, dnsNames: [], federatesWith: [], hint: '', default: false })
})

test('createEntry keeps every field that is given, selectors sorted and each once', () => {
  const { id, ...entry } = entryOf({
    ...web,
    selectors: ['unix:uid:2', 'unix:gid:1', 'unix:uid:2'],
    x509SvidTtlMs: 10_000,
    dnsNames: ['web.example.org', '*.example.org'],
    federatesWith: ['spiffe://z.test', 'partner.test'],
    hint: 'internal',
    default: true,
  })
  assert.ok(id)
  assert.deepEqual(entry, {
    spiffeId: 'spiffe://example.org/web',
    selectors: ['unix:gid:1', 'unix:uid:2'],
    x509SvidTtlMs: 10_000,
    dnsNames: ['web.example.org', '*.example.org'],
    federatesWith: ['partner.test', 'z.test'],
    hint: 'internal',
    default: true,
  })
})

test('createEntry gives one id to entries that say the same', () => {
  const selectors = ['unix:uid:1', 'unix:gid:2']
  const one = entryOf({ ...web, selectors, federatesWith: ['a.test', 'b.test'], hint: undefined })
  const same = entryOf({
    federatesWith: ['spiffe://b.test', 'a.test'],
    selectors: selectors.toReversed(),
    dnsNames: [],
    hint: '',
    default: false,
    spiffeId: web.spiffeId,
  })
  assert.deepEqual(one, same)
})

test('createEntry gives another id for a change of any field', () => {
  const changes: readonly Partial<EntryFields>[] = [
    {},
    { spiffeId: 'spiffe://example.org/api' },
    { selectors: ['unix:uid:1002'] },
    { selectors: ['unix:uid:1001', 'unix:gid:1'] },
    { x509SvidTtlMs: 60_000 },
    { dnsNames: ['a', 'b'] },
    { dnsNames: ['b', 'a'] },
    { federatesWith: ['a'] },
    { hint: 'a' },
    { default: true },
  ]
  const ids = changes.map((change) => entryOf({ ...web, ...change }).id)
  assert.equal(new Set(ids).size, changes.length)
})

test('createEntry names the fault of each field', () => {
  assertFault({ spiffeId: 'spiffe://example.org/' }, 'spiffeId', /ends with \//)
  assertFault({ spiffeId: 'spiffe://example.org' }, 'spiffeId', /no path/)
  assertFault({ spiffeId: 'spiffe://other.org/web' }, 'spiffeId', /trust domain example\.org/)
  assertFault({ selectors: [] }, 'selectors', /at least one/)
  assertFault({ selectors: ['unix:uid:1', 'unix'] }, 'selectors[1]', /type:value/)
  assertFault({ dnsNames: ['a', '-b'] }, 'dnsNames[1]', /"-b" has a label/)
  assertFault({ dnsNames: ['a.test', 'A.test'] }, 'dnsNames[1]', /appears twice/)
  assertFault({ federatesWith: ['b_', 'B'] }, 'federatesWith[1]', /lower case/)
  assertFault({ federatesWith: ['spiffe://b/c'] }, 'federatesWith[0]', /"\/"/)
  assertFault({ federatesWith: ['b', 'spiffe://b'] }, 'federatesWith[1]', /appears twice/)
  assertFault({ federatesWith: ['example.org'] }, 'federatesWith[0]', /own trust domain/)
  assertFault({ hint: 'a\u0000' }, 'hint', /control character/)
  for (const x509SvidTtlMs of [9_999, 0, -1, 10_000.5, Number.NaN, Infinity]) {
    assertFault({ x509SvidTtlMs }, 'x509SvidTtl', /at least 10s/)
  }
})

test('createEntry takes a hint of 1024 bytes and not a byte more, counted as UTF-8 (T-WT-8)', () => {
  assert.equal(entryOf({ ...web, hint: 'é'.repeat(512) }).hint.length, 512)
  assertFault({ hint: `${'é'.repeat(512)}a` }, 'hint', /1024 bytes/)
})

test('createEntry reports every fault at once', () => {
  const faults = faultsOf({
    spiffeId: 'nothing',
    selectors: ['unix', ':x'],
    x509SvidTtlMs: 1,
    dnsNames: [''],
    federatesWith: [''],
    hint: '\n',
  })
  assert.deepEqual(faults.map((fault) => fault.path).toSorted(), [
    'dnsNames[0]',
    'federatesWith[0]',
    'hint',
    'selectors[0]',
    'selectors[1]',
    'spiffeId',
    'x509SvidTtl',
  ])
})
