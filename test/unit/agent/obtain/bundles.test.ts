import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuthorityState } from '../../../../src/authority/authority.ts'
import { createBundles } from '../../../../src/agent/obtain/bundles.ts'
import type { JwtAuthorityState } from '../../../../src/authority/jwt/jwt-authority.ts'
import { createFeed } from '../../../../src/runtime/feed.ts'
import type { Bundle } from '../../../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'

const own = 'example.org' as TrustDomain
const partner = 'partner.test' as TrustDomain
const bundle = (trustDomain: TrustDomain, ...authorities: string[]): Bundle => ({
  trustDomain,
  x509Authorities: authorities.map((each) => Buffer.from(each)),
  jwtAuthorities: [],
})
const state = (...anchors: string[]): AuthorityState => ({
  anchors: anchors.map((each) => Buffer.from(each)),
  slots: [],
})

function setting(...anchors: string[]) {
  const authority = createFeed(state(...anchors))
  const jwtAuthority = createFeed<JwtAuthorityState>({ keys: [], slots: [] })
  const bundles = createBundles(own, authority, jwtAuthority)
  let events = 0
  bundles.feed.subscribe(() => events++)
  return { authority, jwtAuthority, bundles, events: () => events }
}

test('Bundles: the own bundle is what the authority says, and follows it', () => {
  const { authority, bundles, events } = setting('a')
  assert.deepEqual(bundles.feed.current.get(own), bundle(own, 'a'))
  authority.set(state('a', 'b'))
  assert.deepEqual(bundles.feed.current.get(own), bundle(own, 'a', 'b'))
  assert.equal(events(), 1)
})

test('Bundles: the own bundle holds the keys for JWT-SVIDs, and is a new one when they change', () => {
  const { jwtAuthority, bundles, events } = setting('a')
  const key = (kid: string) => ({ use: 'jwt-svid', kid, kty: 'EC' })
  jwtAuthority.set({ keys: [key('one')], slots: [] })
  jwtAuthority.set({ keys: [key('one')], slots: [], fault: 'of no concern to a bundle' })
  jwtAuthority.set({ keys: [key('one'), key('two')], slots: [] })
  assert.deepEqual(bundles.feed.current.get(own)?.jwtAuthorities, [key('one'), key('two')])
  assert.equal(events(), 2)
  bundles.close()
  jwtAuthority.set({ keys: [], slots: [] })
  assert.equal(events(), 2)
})

test('Bundles: an authority without anchors is no bundle, never an empty one', () => {
  const { authority, bundles } = setting()
  assert.equal(bundles.feed.current.has(own), false)
  authority.set(state('a'))
  assert.equal(bundles.feed.current.has(own), true)
  authority.set(state())
  assert.equal(bundles.feed.current.has(own), false)
})

test('Bundles: equal content is no event and leaves map and bundle as they are', () => {
  const { authority, bundles, events } = setting('a', 'b')
  bundles.setFederated(partner, bundle(partner, 'p'))
  const before = bundles.feed.current
  authority.set({ ...state('b', 'a'), fault: 'away' })
  bundles.setFederated(partner, bundle(partner, 'p'))
  assert.equal(bundles.feed.current, before)
  assert.equal(events(), 1)
})

test('Bundles.setFederated: adds, changes and takes away one without touching the others', () => {
  const { bundles, events } = setting('a')
  const mine = bundles.feed.current.get(own)
  bundles.setFederated(partner, bundle(partner, 'p'))
  bundles.setFederated(partner, bundle(partner, 'p', 'q'))
  assert.deepEqual(bundles.feed.current.get(partner), bundle(partner, 'p', 'q'))
  bundles.setFederated(partner, undefined)
  assert.deepEqual([...bundles.feed.current.keys()], [own])
  bundles.setFederated(partner, undefined)
  assert.equal(events(), 3)
  assert.equal(bundles.feed.current.get(own), mine)
})

test('Bundles.setFederated: a change of anything in a bundle is a change', () => {
  const { bundles, events } = setting('a')
  const plain = bundle(partner, 'p')
  const jwk = { kid: '1', kty: 'EC', use: 'jwt-svid' }
  bundles.setFederated(partner, plain)
  bundles.setFederated(partner, { ...plain, jwtAuthorities: [jwk] })
  bundles.setFederated(partner, {
    ...plain,
    jwtAuthorities: [{ use: 'jwt-svid', kty: 'EC', kid: '1' }],
  })
  assert.equal(events(), 2, 'the order of members says nothing')
  bundles.setFederated(partner, { ...plain, sequence: 7n })
  bundles.setFederated(partner, { ...plain, sequence: 7n, refreshHintSeconds: 60 })
  assert.equal(events(), 4)
})

test('Bundles.setFederated: the own trust domain is refused', () => {
  const { bundles } = setting('a')
  assert.throws(() => bundles.setFederated(own, bundle(own, 'x')), { code: 'config_invalid' })
  assert.deepEqual(bundles.feed.current.get(own), bundle(own, 'a'))
})

test('Bundles.close: follows the authority no more', () => {
  const { authority, bundles, events } = setting('a')
  bundles.close()
  authority.set(state('b'))
  assert.equal(events(), 0)
})
