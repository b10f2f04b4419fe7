import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anchorId,
  lacksPart,
  withoutExpired,
  withPart,
} from '../../../../src/server/issue/own-bundle.ts'
import type { OwnPart } from '../../../../src/server/issue/own-bundle.ts'
import type { PublicKey, X509Authority } from '../../../../src/store/model.ts'
import { createOperatorCa } from '../../../fakes/operator-ca.ts'
import { bundle } from '../../../fakes/store-values.ts'
import { trustDomain } from './setting.ts'

const DAY = 24 * 3_600_000
const x509 = (byte: number, tainted = false): X509Authority => ({
  certificate: Uint8Array.of(byte),
  tainted,
})
const jwt = (keyId: string, more: Partial<PublicKey> = {}): PublicKey => ({
  keyId,
  publicKey: Uint8Array.of(1),
  tainted: false,
  ...more,
})
const part = (more: Partial<OwnPart>): OwnPart => ({ x509: [], jwt: [], gone: new Set(), ...more })
const there = (more: object) => bundle('example.org', { sequence: 7, ...more })

test('withPart: adds what is missing and counts up; a bundle that has it all is the same one', () => {
  const before = there({ x509Authorities: [x509(1)] })
  const own = part({ x509: [x509(1), x509(2)], jwt: [jwt('a')] })
  const after = withPart(trustDomain, before, own)
  assert.deepEqual(after.x509Authorities, [x509(1), x509(2)])
  assert.deepEqual(after.jwtAuthorities, [jwt('a')])
  assert.equal(after.sequence, 8)
  assert.equal(withPart(trustDomain, after, own), after)
  assert.equal(lacksPart(before, own), true)
  assert.equal(lacksPart(after, own), false)
  assert.equal(lacksPart(undefined, own), true)
  assert.equal(withPart(trustDomain, undefined, own).sequence, 1)
})

test('withPart: what is tainted stays so, whoever said it', () => {
  const before = there({ x509Authorities: [x509(1, true), x509(2)] })
  const own = part({ x509: [x509(1), x509(2, true)] })
  const { x509Authorities } = withPart(trustDomain, before, own)
  assert.deepEqual(x509Authorities, [x509(1, true), x509(2, true)])
})

test('withPart: what is gone is taken out, and never what is still wanted', () => {
  const before = there({ x509Authorities: [x509(1), x509(2), x509(3)], jwtAuthorities: [jwt('a')] })
  const gone = new Set([anchorId(Uint8Array.of(1)), anchorId(Uint8Array.of(2)), 'a'])
  const after = withPart(trustDomain, before, part({ x509: [x509(2)], gone }))
  assert.deepEqual(after.x509Authorities, [x509(2), x509(3)])
  assert.deepEqual(after.jwtAuthorities, [])
})

test('withoutExpired: drops what expired a day ago, but not the last X.509 authority', async () => {
  const now = Date.UTC(2031, 0, 1)
  const of = async (notAfter: number): Promise<X509Authority> => {
    const ca = await createOperatorCa({ name: 'a', notBefore: now - 9 * DAY, notAfter })
    return { certificate: new Uint8Array(ca.certificate.rawData), tainted: false }
  }
  const [over, late, good] = [await of(now - DAY), await of(now - DAY + 1_000), await of(now + DAY)]
  const jwtAuthorities = [
    jwt('over', { expiresAt: now - DAY }),
    jwt('late', { expiresAt: now }),
    jwt('for ever'),
  ]
  const after = withoutExpired(there({ x509Authorities: [over, late, good], jwtAuthorities }), now)
  assert.deepEqual(after.x509Authorities, [late, good])
  assert.deepEqual(
    after.jwtAuthorities.map(({ keyId }) => keyId),
    ['late', 'for ever'],
  )
  assert.equal(after.sequence, 8)
  assert.equal(withoutExpired(after, now), after)
  const last = there({ x509Authorities: [over] })
  assert.equal(withoutExpired(last, now), last)
  const unreadable = there({ x509Authorities: [x509(1), good] })
  assert.equal(withoutExpired(unreadable, now), unreadable)
})
