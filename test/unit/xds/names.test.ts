import assert from 'node:assert/strict'
import test from 'node:test'
import type { Entry } from '../../../src/registration/entry.ts'
import { Granted } from '../../../src/registration/granted.ts'
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { meaningOf, namesOf, settledMeaning, type NamePolicy } from '../../../src/xds/names.ts'

const id = parseSpiffeId
const own = parseTrustDomain('example.org')
const partner = parseTrustDomain('another.test')

let count = 0
function entry(path: string, more: Partial<Entry> = {}): Entry {
  const spiffeId = id(`spiffe://example.org/${path}`)
  const plain = { selectors: [], dnsNames: [], federatesWith: [], hint: '', default: false }
  return { id: `e${++count}`, spiffeId, ...plain, ...more }
}

const policy: NamePolicy = {
  reserved: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
  aliases: new Map([
    ['web-cert', id('spiffe://example.org/web')],
    ['partner-ca', id('spiffe://another.test')],
    ['lost', id('spiffe://example.org/lost')],
  ]),
  trustDomain: own,
  unregisteredBundles: false,
}
const web = entry('web', { hint: 'internal' })
const api = entry('api', { hint: 'internal', federatesWith: [partner], default: true })
const plain = entry('plain')
const granted = new Granted([web, api, plain])
const nobody = new Granted([])

test('meaningOf knows reserved names, SPIFFE IDs, trust domains, aliases and hints', () => {
  const mean = (name: string) => meaningOf(name, policy, granted)
  assert.deepEqual(mean('default'), { kind: 'svid', entry: api })
  assert.deepEqual(mean('ROOTCA'), { kind: 'bundle', trustDomain: own })
  assert.deepEqual(mean('ALL'), { kind: 'all-bundles', trustDomains: [partner, own] })
  assert.deepEqual(mean('spiffe://example.org/web'), { kind: 'svid', entry: web })
  assert.deepEqual(mean('spiffe://example.org'), { kind: 'bundle', trustDomain: own })
  assert.deepEqual(mean('spiffe://another.test'), { kind: 'bundle', trustDomain: partner })
  assert.deepEqual(mean('web-cert'), { kind: 'svid', entry: web })
  assert.deepEqual(mean('partner-ca'), { kind: 'bundle', trustDomain: partner })
  assert.deepEqual(mean('internal'), { kind: 'svid', entry: web }, 'of one hint the oldest wins')
})

test('meaningOf lets no entry take over a reserved name or an alias by its hint', () => {
  const entries = ['ROOTCA', 'default', 'lost'].map((hint) =>
    entry(`x-${hint}`, { hint, default: hint === 'lost' }),
  )
  const sly = new Granted(entries)
  assert.equal(meaningOf('ROOTCA', policy, sly).kind, 'bundle')
  assert.deepEqual(meaningOf('default', policy, sly), { kind: 'svid', entry: entries[2] })
  assert.equal(meaningOf('lost', policy, sly).kind, 'none')
})

test('meaningOf grants no identity and no trust domain that is not of the caller’s entries', () => {
  const foreign = [
    'spiffe://example.org/other',
    'spiffe://other.test',
    'spiffe://example.org/',
    'x',
    '',
  ]
  for (const name of foreign) assert.equal(meaningOf(name, policy, granted).kind, 'none', name)
  const alone = new Granted([web])
  assert.equal(meaningOf('spiffe://another.test', policy, alone).kind, 'none')
  assert.equal(meaningOf('partner-ca', policy, alone).kind, 'none')
  assert.deepEqual(meaningOf('ALL', policy, alone), { kind: 'all-bundles', trustDomains: [own] })
})

test('meaningOf gives a caller without an entry no bundle either', () => {
  for (const name of ['default', 'ROOTCA', 'ALL', 'spiffe://example.org', 'web-cert', 'internal'])
    assert.equal(meaningOf(name, policy, nobody).kind, 'none', name)
})

test('namesOf lists the bundles and each SPIFFE ID once', () => {
  const twice = new Granted([...granted.entries, entry('web')])
  assert.deepEqual(namesOf(policy, twice), [
    'spiffe://another.test',
    'spiffe://example.org',
    'spiffe://example.org/web',
    'spiffe://example.org/api',
    'spiffe://example.org/plain',
  ])
  assert.deepEqual(namesOf(policy, nobody), [])
})

test('namesOf lists only names that mean something to the caller', () => {
  for (const name of namesOf(policy, granted))
    assert.notEqual(meaningOf(name, policy, granted).kind, 'none', name)
})

test('settledMeaning is undefined only for names that an undecided entry would change', () => {
  const hashed = entry('hashed', { hint: 'internal', federatesWith: [partner] })
  const sameId = entry('web', { dnsNames: ['web.example.org'] })
  const known = new Granted([web, plain])
  const settled = (older: Entry, name: string) =>
    settledMeaning(name, policy, {
      granted: known,
      possible: new Granted([older, ...known.entries]),
    })
  for (const name of ['default', 'internal', 'ALL', 'spiffe://example.org/hashed', 'partner-ca'])
    assert.equal(settled(hashed, name), undefined, name)
  for (const name of ['spiffe://example.org/web', 'web-cert'])
    assert.equal(settled(sameId, name), undefined, name)
  for (const name of [
    'spiffe://example.org/plain',
    'spiffe://example.org/web',
    'ROOTCA',
    'nothing',
  ])
    assert.deepEqual(settled(hashed, name), meaningOf(name, policy, known), name)
  const all = { granted: known, possible: known }
  assert.deepEqual(settledMeaning('default', policy, all), { kind: 'svid', entry: web })
})

test('a caller without an entry is given the own bundle, and nothing else, where the policy says so', () => {
  const open: NamePolicy = { ...policy, unregisteredBundles: true }
  const bundle = { kind: 'bundle', trustDomain: own }
  assert.deepEqual(meaningOf('ROOTCA', open, nobody), bundle)
  assert.deepEqual(meaningOf('spiffe://example.org', open, nobody), bundle)
  assert.deepEqual(meaningOf('ALL', open, nobody), { kind: 'all-bundles', trustDomains: [own] })
  assert.deepEqual(namesOf(open, nobody), ['spiffe://example.org'])
  for (const name of ['default', 'spiffe://another.test', 'partner-ca', 'web-cert', 'internal', ''])
    assert.equal(meaningOf(name, open, nobody).kind, 'none', name)
  for (const name of ['ROOTCA', 'ALL', 'spiffe://example.org'])
    assert.equal(meaningOf(name, policy, nobody).kind, 'none', name)
})
