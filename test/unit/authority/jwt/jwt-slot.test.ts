import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { before, test } from 'node:test'
import { createJwtSlotStore, parseJwtSlots } from '../../../../src/authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../../../src/authority/jwt/jwt-slots.ts'
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { createStateFile } from '../../../fakes/state-file.ts'

const trustDomain = parseTrustDomain('example.org')
let text = ''

/** A document of an authority with an old, an active and a prepared key. */
before(async () => {
  const file = createStateFile()
  const authority = await createJwtAuthority({
    trustDomain,
    keyType: 'ec-p256',
    keyTtlMs: 3_600_000,
    clock: createManualClock(),
    random: createSeededRandom('jwt slots'),
    store: createJwtSlotStore(file, trustDomain),
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

test('parseJwtSlots: reads what was saved', () => {
  const slots = parseJwtSlots(text, trustDomain)
  assert.deepEqual(
    slots.map((slot) => [slot.status, slot.signing !== undefined, slot.superseded]),
    [
      ['old', false, false],
      ['active', true, false],
      ['prepared', true, false],
    ],
  )
  for (const { authorityId, verification, signing } of slots) {
    assert.equal(verification.jwk['kid'], authorityId)
    assert.ok(signing === undefined || signing.keyId === authorityId)
  }
})

const set = (at: number, fields: Json) => (_: Json, slots: Json[]) =>
  (slots[at] = { ...slots[at], ...fields })

const faults: [string, (document: Json, slots: Json[]) => unknown, RegExp][] = [
  ['another kind', (document) => (document['kind'] = 'embedded'), /kind jwt/],
  ['another trust domain', (document) => (document['trustDomain'] = 'a.test'), /example\.org/],
  ['two active', set(2, { status: 'active' }), /more than one/],
  ['no beginning', set(1, { notBefore: '1' }), /slots\[1\]\.notBefore/],
  ['no end', set(1, { notAfter: 1.5 }), /slots\[1\]\.notAfter/],
  ['an end before its beginning', set(1, { notAfter: 0 }), /slots\[1\] ends before/],
  ['no word of its successor', set(1, { superseded: 'no' }), /slots\[1\]\.superseded/],
  ['no public key', set(0, { spki: 7 }), /slots\[0\]\.spki is not a text/],
  ['a public key that is none', set(0, { spki: 'AAAA' }), /slots\[0\]\.spki: no public key/],
  ['no private key', set(1, { key: undefined }), /slots\[1\]\.key is not a text/],
  ['a private key that is none', set(1, { key: 'secret' }), /slots\[1\]\.key/],
  [
    'the private key of another',
    (_, slots) => (slots[1] = { ...slots[1], key: slots[2]?.['key'] }),
    /slots\[1\]\.key is not that of slots\[1\]\.spki/,
  ],
]

for (const [name, change, fault] of faults) {
  test(`parseJwtSlots: refuses a document with ${name}`, () => {
    const document = changed((whole, slots) => void change(whole, slots))
    assert.throws(() => parseJwtSlots(document, trustDomain), fault)
  })
}

test('parseJwtSlots: a fault never quotes a key', () => {
  const keys = [...text.matchAll(/PRIVATE KEY-----\\n(.*?)\\n/g)].map((match) => match[1] ?? '')
  assert.equal(keys.length, 2)
  const cut = changed(
    (_, slots) => (slots[1] = { ...slots[1], key: `${String(slots[1]?.['key'])}x` }),
  )
  for (const document of [cut, text.slice(0, -20), text.slice(0, 700)])
    assert.throws(
      () => parseJwtSlots(document, trustDomain),
      (thrown: Error) => keys.every((key) => !thrown.message.includes(key.slice(0, 12))),
    )
})
