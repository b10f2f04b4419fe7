import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifyX509Svid } from '../../../src/certs/parse.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import {
  bundlesOf,
  HOUR,
  makeCa,
  makeCertificate,
  makeLeaf,
  NOW,
  rawExtension,
  USAGE,
  type Made,
} from './make-certificate.ts'

const root = await makeCa({ name: 'CN=root' })
const inner = await makeCa({ name: 'CN=inner', by: root })
const leaf = await makeLeaf({ by: inner })

const verify = (chain: readonly Made[], authorities: readonly Made[], now = NOW): string =>
  verifyX509Svid(
    chain.map(({ der }) => der),
    bundlesOf({ 'example.org': authorities }),
    { now, mode: 'strict' },
  )

function refuses(chain: readonly Made[], authorities: readonly Made[], message: RegExp): void {
  assert.throws(
    () => verify(chain, authorities),
    (thrown) =>
      thrown instanceof SpindleError &&
      thrown.code === 'certificate_invalid' &&
      message.test(thrown.message),
    message.source,
  )
}

test('verifyX509Svid follows intermediates to an authority, in any order and past dead ends', async () => {
  const stray = await makeCa({ name: 'CN=stray' })
  assert.equal(verify([leaf, inner], [root]), 'spiffe://example.org/web')
  assert.equal(verify([leaf, stray, root, inner], [stray, root]), 'spiffe://example.org/web')
})

test('verifyX509Svid takes an intermediate as trust anchor, and needs no intermediate then', () => {
  assert.equal(verify([leaf], [inner]), 'spiffe://example.org/web')
})

test('verifyX509Svid needs every intermediate on the way', () => {
  refuses([leaf], [root], /no valid path .*none of them issued it/)
  refuses([], [root], /chain is empty/)
})

test('verifyX509Svid tries each of several CAs of one name and key id, as after a renewal', async () => {
  const { key } = inner
  const expired = await makeCa({ name: 'CN=inner', by: root, key, notAfter: NOW - 1000 })
  assert.equal(verify([leaf, expired, inner], [root]), 'spiffe://example.org/web')
  refuses([leaf, expired], [root], /"CN=inner" has expired/)
})

test('verifyX509Svid refuses a CA of the right name with another key', async () => {
  const impostor = await makeCa({ name: 'CN=inner' })
  refuses([leaf], [impostor], /signature of "CN=inner" does not fit/)
})

test('verifyX509Svid holds every certificate of the path to its lifetime, both ends included', async () => {
  const early = await makeCa({ name: 'CN=early', notBefore: NOW + 1000 })
  refuses([await makeLeaf({ by: early })], [early], /"CN=early" is not valid yet/)
  refuses(
    [await makeLeaf({ by: root, notBefore: NOW + 1000 })],
    [root],
    /its certificate is not valid/,
  )
  assert.ok(verify([leaf, inner], [root], NOW - HOUR))
  assert.ok(verify([leaf, inner], [root], NOW + HOUR))
  assert.throws(() => verify([leaf, inner], [root], NOW - HOUR - 1), /not valid yet/)
  assert.throws(() => verify([leaf, inner], [root], NOW + HOUR + 1), /has expired/)
})

test('verifyX509Svid lets only CAs sign', async () => {
  const notCa = await makeCa({ ca: false, name: 'CN=not a CA' })
  refuses([await makeLeaf({ by: notCa })], [notCa], /"CN=not a CA" is not a CA/)
  const noSign = await makeCa({ usage: USAGE.cRLSign })
  refuses([await makeLeaf({ by: noSign })], [noSign], /no valid path/)
  // A leaf that signs: the classic forgery. One without a key usage is held back by basicConstraints alone.
  const mallory = await makeCertificate({ by: root, name: 'CN=mallory', ca: false })
  const forged = await makeLeaf({ by: mallory, uris: ['spiffe://example.org/admin'] })
  refuses([forged, mallory], [root], /"CN=mallory" is not a CA/)
})

test('verifyX509Svid counts pathLen without the leaf and without self-issued certificates', async () => {
  const short = await makeCa({ name: 'CN=short', pathLen: 0 })
  assert.ok(verify([await makeLeaf({ by: short })], [short]))
  const below = await makeCa({ name: 'CN=below', by: short })
  refuses(
    [await makeLeaf({ by: below }), below],
    [short],
    /"CN=short" allows 0 CAs below it, not 1/,
  )
  const rollover = await makeCa({ name: 'CN=short', by: short })
  assert.ok(verify([await makeLeaf({ by: rollover }), rollover], [short]))
  const one = await makeCa({ name: 'CN=one', pathLen: 1 })
  const next = await makeCa({ name: 'CN=next', by: one })
  assert.ok(verify([await makeLeaf({ by: next }), next], [one]))
})

test('verifyX509Svid refuses what it cannot judge: unknown critical extensions and name constraints', async () => {
  const odd = await makeCa({ name: 'CN=odd', more: [rawExtension('1.2.3.4', true, '0500')] })
  refuses([await makeLeaf({ by: odd })], [odd], /critical extension 1\.2\.3\.4/)
  const constraints = '3011a00f300d860b6578616d706c652e6f7267'
  for (const critical of [true, false]) {
    const limited = await makeCa({ more: [rawExtension('2.5.29.30', critical, constraints)] })
    refuses([await makeLeaf({ by: limited })], [limited], /2\.5\.29\.30|name constraints/)
  }
  const oddLeaf = await makeLeaf({ by: root, more: [rawExtension('1.2.3.4', true, '0500')] })
  refuses([oddLeaf], [root], /its certificate has the critical extension 1\.2\.3\.4/)
})

test('verifyX509Svid passes over an unreadable authority, and refuses where none can be read', () => {
  const broken = { ...root, der: Buffer.from('3000', 'hex') }
  assert.ok(verify([leaf, inner], [broken, root]))
  refuses([leaf, inner], [broken], /no authorities of example\.org are known/)
})

test('verifyX509Svid bounds the work a hostile chain can ask for', async () => {
  refuses(
    Array.from({ length: 17 }, () => leaf),
    [root],
    /longer than 16/,
  )
  // Seven CAs of one name and key issue each other: 13,699 paths without a bound, none of which ends.
  const { key } = await makeCa({})
  const name = 'CN=loop'
  const loop = await Promise.all(
    Array.from({ length: 7 }, () => makeCa({ name, key, by: { name, key, der: root.der } })),
  )
  refuses(
    [await makeLeaf({ by: { name, key, der: root.der } }), ...loop],
    [root],
    /too many signatures/,
  )
})
