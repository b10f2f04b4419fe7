import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import {
  answerPopChallenge,
  newPopChallenge,
  popFamilyOf,
  popResponseFits,
  readPopChallenge,
  readPopPayload,
  readPopResponse,
  writePopChallenge,
  writePopPayload,
  writePopResponse,
} from '../../../../src/certs/proof/x509pop.ts'
import type { PopResponse } from '../../../../src/certs/proof/x509pop.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { VECTORS } from './x509pop-vectors.ts'

const invalid = { code: 'request_invalid' }
const random = createSeededRandom('x509pop')
const bytes = (text: string): Buffer => Buffer.from(text)

const publicKey = (spki: string): KeyObject =>
  createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' })

for (const { name, spki, challenge, response } of VECTORS) {
  test(`an answer made by Go with a key of ${name} fits its challenge, and no other`, () => {
    const key = publicKey(spki)
    const asked = readPopChallenge(bytes(challenge))
    const answered = readPopResponse(bytes(response))
    assert.equal(popResponseFits(asked, answered, key), true)
    const other = { ...asked, nonce: Buffer.alloc(32) }
    assert.equal(popResponseFits(other, answered, key), false)
    const moved = { ...answered, nonce: Buffer.alloc(32) }
    assert.equal(popResponseFits(asked, moved, key), false)
    for (const { spki: another } of VECTORS)
      if (another !== spki)
        assert.equal(popResponseFits(asked, answered, publicKey(another)), false)
  })

  test(`the challenge for a key of ${name} is written as Go writes it`, () => {
    assert.equal(writePopChallenge(readPopChallenge(bytes(challenge))).toString(), challenge)
  })
}

const keys = [
  ['rsa-2048', generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ['P-256', generateKeyPairSync('ec', { namedCurve: 'prime256v1' })],
  ['P-384', generateKeyPairSync('ec', { namedCurve: 'secp384r1' })],
  ['P-521', generateKeyPairSync('ec', { namedCurve: 'secp521r1' })],
] as const

for (const [name, { privateKey, publicKey: key }] of keys)
  test(`answerPopChallenge with a key of ${name} is read back and fits`, async () => {
    const challenge = newPopChallenge(popFamilyOf(key)!, random)
    const sent = readPopChallenge(writePopChallenge(challenge))
    const response = await answerPopChallenge(sent, privateKey, random)
    const read = readPopResponse(writePopResponse(response))
    assert.equal(popResponseFits(challenge, read, key), true)
  })

test('r and s without their leading zeros, or with more of them, are the same numbers', async () => {
  const { privateKey, publicKey: key } = keys[1][1]
  for (let round = 0; round < 2000; round++) {
    const challenge = newPopChallenge('ecdsa', random)
    const response = await answerPopChallenge(challenge, privateKey, random)
    assert.ok(response.family === 'ecdsa')
    if (response.r[0] !== 0) continue
    const bare: PopResponse = { ...response, r: response.r.subarray(1) }
    assert.equal(popResponseFits(challenge, bare, key), true)
    const padded: PopResponse = { ...response, r: Buffer.concat([Buffer.alloc(9), response.r]) }
    assert.equal(popResponseFits(challenge, padded, key), true)
    return
  }
  assert.fail('no r that begins with a zero was drawn')
})

test('popResponseFits refuses numbers beyond the curve, none, and nonces of another length', async () => {
  const { privateKey, publicKey: key } = keys[1][1]
  const challenge = newPopChallenge('ecdsa', random)
  const good = await answerPopChallenge(challenge, privateKey, random)
  assert.ok(good.family === 'ecdsa')
  const long = Buffer.concat([Buffer.of(1), good.r])
  const none = Buffer.alloc(0)
  assert.equal(popResponseFits(challenge, { ...good, r: long }, key), false)
  assert.equal(popResponseFits(challenge, { ...good, r: none, s: none }, key), false)
  assert.equal(popResponseFits(challenge, { ...good, nonce: none }, key), false)
  const brief = Buffer.alloc(16)
  const signed = sign('sha256', Buffer.concat([challenge.nonce, brief]), {
    key: privateKey,
    dsaEncoding: 'ieee-p1363',
  })
  const [r, s] = [signed.subarray(0, 32), signed.subarray(32)]
  assert.equal(popResponseFits(challenge, { ...good, nonce: brief, r, s }, key), false)
  const short = { ...challenge, nonce: challenge.nonce.subarray(1) }
  assert.equal(popResponseFits(short, good, key), false)
})

test('an answer of the other family fits nothing', async () => {
  const [rsa, ec] = [keys[0][1], keys[1][1]]
  const challenge = newPopChallenge('rsa', random)
  await assert.rejects(answerPopChallenge(challenge, ec.privateKey, random), invalid)
  const answer = await answerPopChallenge(challenge, rsa.privateKey, random)
  assert.equal(popResponseFits({ ...challenge, family: 'ecdsa' }, answer, rsa.publicKey), false)
  assert.equal(popResponseFits(challenge, answer, ec.publicKey), false)
})

test('popFamilyOf knows no Ed25519, and no curve that Go has not', () => {
  assert.equal(popFamilyOf(generateKeyPairSync('ed25519').publicKey), undefined)
  const { publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  assert.equal(popFamilyOf(key), undefined)
})

test('the attestation data is a list of certificates in base64', () => {
  const payload = '{"certificates":["AQID","BAU="]}'
  const chain = [Buffer.of(1, 2, 3), Buffer.of(4, 5)]
  assert.equal(writePopPayload(chain).toString(), payload)
  assert.deepEqual(readPopPayload(bytes(payload)), chain)
  assert.deepEqual(readPopPayload(bytes('{"certificates":null}')), [])
})

test('what is no JSON of the kind is refused', () => {
  for (const text of ['', '[]', 'null', '{"certificates":"AQID"}', '{"certificates":["%"]}'])
    assert.throws(() => readPopPayload(bytes(text)), invalid, text)
  for (const text of ['{}', '{"rsa_signature":{},"ecdsa_signature":{}}', '{"rsa_signature":[]}'])
    assert.throws(() => readPopChallenge(bytes(text)), invalid, text)
  assert.throws(() => readPopResponse(bytes('{"rsa_signature":{"nonce":"AQID"}}')), invalid)
  assert.throws(() => readPopPayload(Buffer.alloc(65_537, 0x20)), invalid)
})
