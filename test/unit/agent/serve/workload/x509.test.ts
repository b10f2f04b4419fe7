import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { settle } from '../../../../fakes/clock.ts'
import { createFakeCaller } from '../../../../fakes/caller.ts'
import { entry } from '../../obtain/setting.ts'
import { OWN, bundleOf, bundlesOf } from '../setting.ts'
import { PARTNER, setUp, wholeBundle } from './setting.ts'

const WEB = entry('web', { hint: 'internal' })
const API = entry('api', { federatesWith: [PARTNER] })
const web = 'spiffe://example.org/web'
const api = 'spiffe://example.org/api'
const own = 'spiffe://example.org'
const partner = 'spiffe://partner.test'

test('FetchX509SVID tells all identities at once, the default first, and with them the bundles their entries federate with', () => {
  const { caller, identities, bundles, open } = setUp()
  bundles.set(bundlesOf(wholeBundle(OWN, 'root', '+next'), wholeBundle(PARTNER, 'theirs')))
  const marked = { ...API, id: 'marked', default: true }
  caller.matches(WEB, marked)
  identities.set(WEB, 'w')
  identities.set(marked, 'a')
  assert.deepEqual(open('FetchX509SVID').said, [
    [
      `${api} chain a key a root+next`,
      `${web} chain w key w root+next internal`,
      `${partner} theirs`,
    ],
  ])
})

test('FetchX509SVID leaves out bundles that are not known, or have no X.509 authority', () => {
  const { caller, identities, bundles, open } = setUp()
  const both = entry('both', { federatesWith: [PARTNER, 'third.test' as typeof PARTNER] })
  bundles.set(bundlesOf(wholeBundle(OWN, 'root'), bundleOf(PARTNER)))
  caller.matches(both)
  identities.set(both, 'b')
  assert.deepEqual(open('FetchX509SVID').said, [['spiffe://example.org/both chain b key b root']])
  assert.deepEqual(open('FetchX509Bundles').said, [[`${own} root`]])
})

test('callers with the same identities are sent the same bytes, made once', () => {
  const { caller, identities, open } = setUp()
  const other = createFakeCaller({ pid: 8 })
  for (const each of [caller, other]) each.matches(WEB, API)
  identities.set(WEB, 'w')
  identities.set(API, 'a')
  const [one, two] = [open('FetchX509SVID'), open('FetchX509SVID', other)]
  assert.equal(one.written[0], two.written[0])
  const bundlesTold = [open('FetchX509Bundles'), open('FetchX509Bundles', other)]
  assert.equal(bundlesTold[0]?.written[0], bundlesTold[1]?.written[0])
})

test('of entries that share a hint one is told: the default, else the first', () => {
  const { caller, identities, open } = setUp()
  const second = entry('second', { hint: 'internal' })
  const third = entry('third', { hint: 'internal', default: true })
  for (const each of [WEB, second, third, API]) identities.set(each, each.id)
  caller.matches(WEB, second, API)
  const ids = (): string[] | undefined =>
    open('FetchX509SVID')
      .said[0]?.filter((line) => line.includes('chain'))
      .map((line) => line.split(' ', 1).join())
  assert.deepEqual(ids(), [web, api])
  caller.matches(WEB, second, third, API)
  assert.deepEqual(ids(), ['spiffe://example.org/third', api])
})

test('FetchX509SVID begins with the default identity or not at all, and waits for the others a moment only', async () => {
  const { caller, identities, clock, open } = setUp()
  caller.matches(WEB, API)
  identities.set(API, 'a')
  const call = open('FetchX509SVID')
  await clock.advance(2_000)
  assert.equal(call.said.length, 0, 'API is there, and not the one to begin with')
  identities.set(WEB, 'w')
  await settle()
  assert.equal(call.said[0]?.length, 2, 'both at once')

  identities.set(API, undefined)
  const other = open('FetchX509SVID')
  await clock.advance(999)
  assert.equal(other.said.length, 0)
  await clock.advance(1)
  assert.deepEqual(
    other.said.map((lines) => lines.length),
    [1],
  )
  identities.set(API, 'b')
  await settle()
  assert.deepEqual(other.said[1]?.[1], `${api} chain b key b root`)
})

test('FetchX509SVID does not wait for an identity that cannot be issued', () => {
  const { caller, identities, open } = setUp()
  caller.matches(WEB, API)
  identities.set(WEB, 'w')
  identities.fail(API, 'the CA refuses it')
  assert.equal(open('FetchX509SVID').said[0]?.length, 1)
})

test('FetchX509SVID says UNAVAILABLE and why, where the default identity cannot be issued', async () => {
  const { caller, identities, clock, open } = setUp()
  caller.matches(WEB, API)
  identities.fail(WEB, 'the CA is away')
  identities.set(API, 'a')
  const call = open('FetchX509SVID')
  await clock.advance(4_999)
  assert.deepEqual([call.status], [undefined])
  await clock.advance(1)
  assert.equal(call.status?.code, status.UNAVAILABLE)
  // Why is for operators: it may name files of theirs.
  assert.equal(call.status.details, 'not_ready: the X.509-SVID could not be issued yet')
  assert.equal(call.said.length, 0)
})

test('what has expired is never sent: the rest goes on without it, and nothing is said while nothing is left', async () => {
  const { caller, identities, bundles, clock, open } = setUp()
  caller.matches(WEB, API)
  const end = clock.now() + 60_000
  identities.set(WEB, 'w', end)
  identities.set(API, 'a', end + 60_000)
  const call = open('FetchX509SVID')
  assert.equal(call.said[0]?.length, 2)
  identities.set(WEB, undefined)
  identities.fail(WEB, 'the CA is away')
  await settle()
  assert.deepEqual(call.said[1], [`${api} chain a key a root`])
  identities.set(API, undefined)
  identities.fail(API, 'the CA is away')
  bundles.set(bundlesOf(wholeBundle(OWN, 'root', 'next')))
  await clock.advance(60_000)
  assert.deepEqual([call.said.length, call.status], [2, undefined])
  identities.set(WEB, 'again')
  await settle()
  assert.deepEqual(call.said[2], [`${web} chain again key again rootnext internal`])
})

test('without an own bundle nothing is told, and that is not a no', async () => {
  const { caller, identities, bundles, clock, open } = setUp()
  bundles.set(bundlesOf(wholeBundle(PARTNER, 'theirs')))
  caller.matches(API)
  identities.set(API, 'a')
  const calls = (['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'] as const).map((rpc) =>
    open(rpc),
  )
  await clock.advance(5_000)
  for (const call of calls) {
    assert.equal(call.status?.code, status.UNAVAILABLE)
    assert.match(call.status.details, /the signing authority is not ready yet/)
  }
})

test('FetchX509Bundles needs no identity that is issued, and follows the entries of the caller', async () => {
  const { caller, bundles, open } = setUp()
  bundles.set(bundlesOf(wholeBundle(OWN, 'root'), wholeBundle(PARTNER, 'theirs')))
  caller.matches(WEB)
  const call = open('FetchX509Bundles')
  caller.matches(WEB, API)
  await settle()
  caller.matches(API)
  await settle()
  caller.matches(WEB)
  await settle()
  const both = [`${own} root`, `${partner} theirs`]
  assert.deepEqual(call.said, [[`${own} root`], both, [`${own} root`]])
})

test('a caller without an entry gets the own bundle, and no identity, where the configuration lets it', async () => {
  const { caller, bundles, open, events, clock } = setUp({ unregisteredBundles: true })
  bundles.set(bundlesOf(wholeBundle(OWN, 'root'), wholeBundle(PARTNER, 'theirs')))
  const early = open('FetchX509Bundles')
  assert.equal(early.said.length, 0, 'its entries may say more')
  caller.matches()
  await settle()
  assert.deepEqual(early.said, [[`${own} root`]])
  caller.matches(API)
  await settle()
  assert.deepEqual(early.said[1], [`${own} root`, `${partner} theirs`])
  caller.matches()
  await settle()
  assert.deepEqual([early.said.length, early.status], [3, undefined])
  assert.equal(open('FetchX509SVID').status?.code, status.PERMISSION_DENIED)
  assert.equal(clock.pending, 0)
  assert(events.includes('closed FetchX509SVID no_identity'))
})
