import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readEntries } from '../../../src/config/entries.ts'
import { ConfigError } from '../../../src/config/fault.ts'
import type { Fault } from '../../../src/config/fault.ts'
import type { TrustDomain } from '../../../src/spiffe/spiffe-id.ts'

const OPTIONS = {
  file: 'entries.yaml',
  trustDomain: 'example.org' as TrustDomain,
  bundles: ['partner.test' as TrustDomain],
}

const read = (text: string): ReturnType<typeof readEntries> => readEntries(text, OPTIONS)

function faultsOf(text: string): readonly Fault[] {
  try {
    read(text)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    return error.faults
  }
  return []
}

const pathsOf = (faults: readonly Fault[]): readonly string[] => faults.map(({ path }) => path)

const FULL = {
  spiffeId: 'spiffe://example.org/web',
  selectors: ['unix:uid:1001'],
  x509SvidTtl: '1h',
  dnsNames: ['web.example.org'],
  federatesWith: ['partner.test'],
  hint: 'internal',
  default: true,
}

test('readEntries() reads our YAML and the same as JSON to the same entries', () => {
  const yaml = `entries:
  - spiffeId: spiffe://example.org/web
    selectors: [unix:uid:1001]
    x509SvidTtl: 1h
    dnsNames: [web.example.org]
    federatesWith: [partner.test]
    hint: internal
    default: true
  - spiffeId: spiffe://example.org/api
    selectors: [unix:uid:1002]
`
  const second = { spiffeId: 'spiffe://example.org/api', selectors: ['unix:uid:1002'] }
  const { entries, warnings } = read(yaml)
  assert.deepEqual(entries, read(JSON.stringify({ entries: [FULL, second] })).entries)
  assert.deepEqual(warnings, [])
  const { id: _, ...first } = entries[0]!
  const { x509SvidTtl: __, ...rest } = FULL
  assert.deepEqual(first, { ...rest, x509SvidTtlMs: 3_600_000 })
  assert.equal(entries[1]!.x509SvidTtlMs, undefined)
})

test("readEntries() reads SPIRE's -data JSON to the entries our own form gives", () => {
  const spire = {
    spiffe_id: 'spiffe://example.org/web',
    parent_id: 'spiffe://example.org/node',
    selectors: [{ type: 'unix', value: 'uid:1001' }],
    x509_svid_ttl: 3600,
    jwt_svid_ttl: 0,
    dns_names: ['web.example.org'],
    federates_with: ['spiffe://partner.test'],
    hint: 'internal',
    admin: true,
    downstream: false,
    entry_expiry: 0,
    store_svid: false,
  }
  const { entries, warnings } = read(JSON.stringify({ entries: [spire] }))
  const { default: _, ...own } = FULL
  assert.deepEqual(entries, read(JSON.stringify({ entries: [own] })).entries)
  assert.deepEqual(pathsOf(warnings), ['entries[0].parent_id', 'entries[0].admin'])
})

test('readEntries() refuses a SPIRE entry that would be given out longer or wider than it says', () => {
  const entry = {
    spiffe_id: 'spiffe://example.org/web',
    selectors: [{ type: 'unix', value: 'uid:1' }],
  }
  for (const [key, value] of [
    ['entry_expiry', 1_900_000_000],
    ['entryExpiry', 1_900_000_000],
    ['store_svid', true],
  ] as const)
    assert.deepEqual(pathsOf(faultsOf(JSON.stringify({ entries: [{ ...entry, [key]: value }] }))), [
      `entries[0].${key}`,
    ])
})

test('readEntries() tells the faults of all entries at once, in the words of their form', () => {
  assert.deepEqual(
    faultsOf(`entries:
  - spiffeId: spiffe://other.test/web
    selector: [unix:uid:1]
    x509SvidTtl: 3s
  - spiffeId: spiffe://example.org/a
    selectors: [unix, unix:uid:1]
    dnsNames: [a b]
  - 3
`).map(({ path, line }) => [path, line]),
    [
      ['entries[0].selectors', 2],
      ['entries[0].spiffeId', 2],
      ['entries[0].selector', 3],
      ['entries[0].x509SvidTtl', 4],
      ['entries[1].selectors[0]', 6],
      ['entries[1].dnsNames[0]', 7],
      ['entries[2]', 8],
    ],
  )
  const spire = [
    { spiffe_id: 'web', selectors: [{ type: 'unix', value: 'uid:1', x: 1 }], ttl: 60 },
    {
      spiffe_id: 'spiffe://example.org/a',
      selectors: [{ type: 'unix', value: 'uid:1' }],
      federates_with: ['Bad Name'],
      x509_svid_ttl: 3,
    },
  ]
  assert.deepEqual(pathsOf(faultsOf(JSON.stringify({ entries: spire }))), [
    'entries[0].selectors[0].x',
    'entries[0].ttl',
    'entries[0].spiffe_id',
    'entries[1].federates_with[0]',
    'entries[1].x509_svid_ttl',
  ])
})

test('readEntries() passes the second of two equal entries over, with a warning', () => {
  const { entries, warnings } = read(JSON.stringify({ entries: [FULL, { ...FULL }] }))
  assert.equal(entries.length, 1)
  assert.deepEqual(pathsOf(warnings), ['entries[1]'])
  assert.match(warnings[0]!.message, /same as entries\[0\]/)
})

test('readEntries() warns of short lives and of bundles that are not configured', () => {
  const entry = { ...FULL, x509SvidTtl: '30s', federatesWith: ['partner.test', 'third.test'] }
  const { warnings } = read(JSON.stringify({ entries: [entry] }))
  assert.deepEqual(pathsOf(warnings), ['entries[0].federatesWith', 'entries[0].x509SvidTtl'])
  assert.match(warnings[0]!.message, /third\.test/)
})

test('readEntries() tells an empty list from a file cut short', () => {
  assert.deepEqual(read('entries: []\n').entries, [])
  assert.deepEqual(read('{"entries": []}').entries, [])
  assert.match(faultsOf('')[0]!.message, /is empty/)
  assert.match(faultsOf('entries:\n')[0]!.message, /\[\] for none/)
  assert.match(faultsOf('{"entries": [')[0]!.message, /not valid JSON/)
  assert.deepEqual(pathsOf(faultsOf('entries: []\nother: 1\n')), ['other'])
})

test('readEntries() refuses a key that stands twice, in YAML and in JSON', () => {
  const yaml =
    'entries:\n  - spiffeId: spiffe://example.org/a\n    selectors: [unix:uid:1]\n    selectors: [unix:uid:0]\n'
  const [inYaml] = faultsOf(yaml)
  assert.deepEqual([inYaml?.line, inYaml?.column], [4, 5])
  const json =
    '{"entries": [{"spiffeId": "spiffe://example.org/a",\n "selectors": ["unix:uid:1"], "select\\u006frs": ["unix:uid:0"]}]}'
  const [inJson] = faultsOf(json)
  assert.match(inJson!.message, /stands twice/)
  assert.deepEqual([inJson?.line, inJson?.column], [2, 31])
  // The same key in two objects, and a key's text inside a string, are nothing of the kind.
  const fine = { ...FULL, hint: '{"a":1,"a":2}' }
  assert.deepEqual(faultsOf(JSON.stringify({ entries: [fine, { ...FULL, hint: 'x' }] })), [])
})

test('readEntries() quotes nothing of a broken file that may be a key', () => {
  const text = '{"entries": [{"hint": "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49" oops MIGHAgEA}]}'
  assert.doesNotMatch(JSON.stringify(faultsOf(text)), /MIGH/)
})

test('readEntries() refuses more than 100,000 entries before it reads one of them', () => {
  const [fault, ...more] = faultsOf(JSON.stringify({ entries: Array(100_001).fill(FULL) }))
  assert.match(fault!.message, /at most 100000/)
  assert.deepEqual(more, [])
})

test('examples/ holds entries files without a fault or a warning', () => {
  const folder = join(import.meta.dirname, '../../../examples')
  const files = readdirSync(folder).filter((name) => /^entries.*\.yaml$/.test(name))
  assert.ok(files.length >= 2)
  for (const file of files)
    assert.deepEqual(read(readFileSync(join(folder, file), 'utf8')).warnings, [], file)
})
