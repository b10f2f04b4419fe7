import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { before, test } from 'node:test'
import { createEmbeddedAuthority } from '../../../src/authority/embedded.ts'
import { createFileSlotStore, parseSlots } from '../../../src/authority/slot-file.ts'
import type { AuthorityEvent } from '../../../src/authority/authority.ts'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../../fakes/clock.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import { createStateFile } from '../../fakes/state-file.ts'

const about = { kind: 'embedded', trustDomain: parseTrustDomain('example.org') }
let text = ''

/** A document of an authority with an old, an active and a prepared slot. */
before(async () => {
  const file = createStateFile()
  const authority = await createEmbeddedAuthority({
    trustDomain: about.trustDomain,
    keyType: 'ec-p256',
    caTtlMs: 3_600_000,
    clock: createManualClock(),
    random: createSeededRandom('slot file'),
    store: createFileSlotStore(file, about),
  })
  await authority.prepare()
  await authority.activate()
  await authority.prepare()
  await authority.close()
  text = file.text ?? ''
})

type Json = Record<string, unknown>
function changed(change: (document: Json, slots: Json[]) => void): string {
  const { sha256: _old, ...document } = JSON.parse(text) as Json
  change(document, document['slots'] as Json[])
  return JSON.stringify({ ...document, sha256: hash('sha256', JSON.stringify(document), 'hex') })
}

test('parseSlots: reads what was saved', () => {
  const slots = parseSlots(text, about)
  assert.deepEqual(
    slots.map((slot) => [slot.status, slot.issuer !== undefined]),
    [
      ['old', false],
      ['active', true],
      ['prepared', true],
    ],
  )
})

const faults: [string, (document: Json, slots: Json[]) => void, RegExp][] = [
  ['another version', (document) => (document['version'] = 2), /version/],
  ['another kind', (document) => (document['kind'] = 'disk'), /kind/],
  ['another trust domain', (document) => (document['trustDomain'] = 'a.test'), /example\.org/],
  ['no list', (document) => (document['slots'] = {}), /not a list/],
  ['a slot that is no object', (_, slots) => (slots[0] = [] as unknown as Json), /slots\[0\]/],
  [
    'an unknown status',
    (_, slots) => (slots[0] = { ...slots[0], status: 'x' }),
    /slots\[0\]\.status/,
  ],
  [
    'a taint that is no flag',
    (_, slots) => (slots[0] = { ...slots[0], tainted: 1 }),
    /tainted is not/,
  ],
  [
    'an active one tainted',
    (_, slots) => (slots[1] = { ...slots[1], tainted: true }),
    /but active/,
  ],
  ['two active', (_, slots) => (slots[2] = { ...slots[2], status: 'active' }), /more than one/],
  ['one twice', (_, slots) => (slots[0] = { ...slots[1], status: 'old' }), /same authority/],
  ['no instant', (_, slots) => (slots[1] = { ...slots[1], publishedAt: '1' }), /publishedAt/],
  ['no digest', (_, slots) => (slots[1] = { ...slots[1], signedBy: 1 }), /signedBy/],
  ['no certificate', (_, slots) => (slots[1] = { ...slots[1], certificates: [] }), /certificates/],
  ['no key', (_, slots) => (slots[1] = { ...slots[1], key: undefined }), /slots\[1\]\.key/],
  [
    'the key of another',
    (_, slots) => (slots[1] = { ...slots[1], key: slots[2]?.['key'] }),
    /slots\[1\]/,
  ],
]

for (const [name, change, fault] of faults) {
  test(`parseSlots: refuses a document with ${name}`, () => {
    assert.throws(() => parseSlots(changed(change), about), fault)
  })
}

test('parseSlots: refuses a document whose digest is another one or is missing', () => {
  const other = text.replace(/("publishedAt": \d+)(\d)/, (_, kept, last) => `${kept}${9 - last}`)
  assert.notEqual(other, text)
  const { sha256: _gone, ...without } = JSON.parse(text) as Json
  for (const document of [other, JSON.stringify(without)])
    assert.throws(() => parseSlots(document, about), /sha256 is not the digest/)
})

test('parseSlots: a CA of another trust domain is refused, whatever the document says of itself', () => {
  const other = { kind: 'embedded', trustDomain: parseTrustDomain('other.test') }
  const claimed = changed((document) => (document['trustDomain'] = 'other.test'))
  assert.throws(() => parseSlots(claimed, other), /not a CA of other\.test/)
})

test('parseSlots: a cut text is refused wherever it is cut, without quoting the key in it', () => {
  const keys = [...text.matchAll(/PRIVATE KEY-----\\n(.*?)\\n/g)].map((match) => match[1] ?? '')
  assert.equal(keys.length, 2)
  for (let length = 0; length < text.length - 2; length += 97) {
    assert.throws(
      () => parseSlots(text.slice(0, length), about),
      (thrown: Error) => keys.every((key) => !thrown.message.includes(key.slice(0, 12))),
    )
  }
})

test('FileSlotStore.load: no file is no slots, and nothing is moved aside', async () => {
  const file = createStateFile()
  assert.deepEqual(await createFileSlotStore(file, about).load(), [])
  assert.equal(file.aside.size, 0)
})

test('FileSlotStore.load: an unreadable file is moved aside and told', async () => {
  const file = createStateFile(text)
  file.readFault = new Error('input/output error')
  const events: AuthorityEvent[] = []
  const store = createFileSlotStore(file, about, { onEvent: (event) => events.push(event) })
  assert.deepEqual(await store.load(), [])
  assert.deepEqual(events, [
    { kind: 'state_set_aside', movedTo: 'state.json.aside-1', reason: 'input/output error' },
  ])
  assert.equal(file.aside.get('state.json.aside-1'), text)
})

test('FileSlotStore.load: where it cannot even be moved aside, the start fails and nothing is overwritten', async () => {
  const file = createStateFile('not a document')
  file.quarantine = () => {
    throw new Error('read-only file system')
  }
  await assert.rejects(createFileSlotStore(file, about).load(), /read-only/)
  assert.equal(file.text, 'not a document')
})
