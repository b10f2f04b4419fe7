import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpindleError } from '../../../../../src/runtime/errors.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { settle } from '../../../../fakes/clock.ts'
import { entry } from '../../obtain/setting.ts'
import { OWN, bundleOf, bundlesOf } from '../setting.ts'
import { PARTNER, setUp, wholeBundle } from './setting.ts'

const WEB = entry('web', { hint: 'internal' })
const API = entry('api', { federatesWith: [PARTNER] })
const web = 'spiffe://example.org/web'
const api = 'spiffe://example.org/api'
const jwks = (...kids: string[]): string =>
  JSON.stringify({ keys: kids.map((kid) => ({ kid, kty: 'EC' })) })

test('FetchJWTBundles tells JWK sets of the keys for JWT-SVIDs, by trust domain, the own one always', async () => {
  const { caller, bundles, open } = setUp()
  bundles.set(bundlesOf(wholeBundle(OWN, 'k2', 'k1'), wholeBundle(PARTNER, 'theirs')))
  caller.matches(API)
  const call = open('FetchJWTBundles')
  const whole = [
    `spiffe://example.org ${jwks('k1', 'k2')}`,
    `spiffe://partner.test ${jwks('theirs')}`,
  ]
  assert.deepEqual(call.said, [whole])
  // The order of keys, and certificates, say nothing of what is told here.
  bundles.set(
    bundlesOf(
      { ...wholeBundle(OWN, 'k1', 'k2'), x509Authorities: [] },
      wholeBundle(PARTNER, 'theirs'),
    ),
  )
  await settle()
  assert.equal(call.said.length, 1)
  // A trust domain without such keys has no JWT-SVIDs.
  bundles.set(bundlesOf(wholeBundle(OWN, 'k1', 'k2', 'k3'), bundleOf(PARTNER, 'theirs')))
  await settle()
  assert.deepEqual(call.said[1], [`spiffe://example.org ${jwks('k1', 'k2', 'k3')}`])
})

test('FetchJWTBundles waits for the own keys', async () => {
  const { caller, bundles, open } = setUp()
  bundles.set(bundlesOf(bundleOf(OWN, 'root'), wholeBundle(PARTNER, 'theirs')))
  caller.matches(API)
  const call = open('FetchJWTBundles')
  assert.equal(call.said.length, 0)
  bundles.set(bundlesOf(wholeBundle(OWN, 'k1')))
  await settle()
  assert.deepEqual(call.said, [[`spiffe://example.org ${jwks('k1')}`]])
})

test('FetchJWTSVID gives a token for each identity, the default first, or for the one that is asked for', async () => {
  const { caller, fetchJwt, events } = setUp()
  caller.matches(WEB, API)
  assert.deepEqual(await fetchJwt(['a', 'b']), [
    `${web} for a and b internal`,
    `${api} for a and b`,
  ])
  assert.deepEqual(await fetchJwt(['a'], api), [`${api} for a`])
  assert.deepEqual(await fetchJwt(['a'], web), [`${web} for a internal`])
  assert.deepEqual(
    events,
    Array.from({ length: 3 }, () => 'answered FetchJWTSVID'),
  )
})

test('FetchJWTSVID gives one whose hint is taken to who names it, without the hint', async () => {
  const { caller, fetchJwt } = setUp()
  const second = entry('second', { hint: 'internal' })
  caller.matches(WEB, second)
  assert.deepEqual(await fetchJwt(['a']), [`${web} for a internal`])
  const named = await fetchJwt(['a'], 'spiffe://example.org/second')
  assert.deepEqual(named, ['spiffe://example.org/second for a'])
  // It is the one with the hint as soon as the other is gone.
  caller.matches(second)
  assert.deepEqual(await fetchJwt(['a']), ['spiffe://example.org/second for a internal'])
})

test('FetchJWTSVID refuses what is not well asked before it looks at the caller', async () => {
  const { fetchJwt } = setUp()
  for (const [audience, id] of [
    [[], ''],
    [[''], ''],
    [['a', ''], ''],
    [['a'], 'web'],
    [['a'], 'spiffe://example.org/web/'],
  ] as const)
    await assert.rejects(fetchJwt(audience, id), { code: status.INVALID_ARGUMENT })
})

test('FetchJWTSVID denies who has no entry, or not that one, once it is known', async () => {
  const { caller, fetchJwt, clock } = setUp()
  const early = fetchJwt(['a'])
  const earlyNamed = fetchJwt(['a'], web)
  for (const asked of [early, earlyNamed]) asked.catch(() => undefined)
  await settle()
  caller.matches(API)
  assert.deepEqual(await early, [`${api} for a`])
  await assert.rejects(earlyNamed, { code: status.PERMISSION_DENIED, details: /does not have/ })
  caller.matches()
  await assert.rejects(fetchJwt(['a']), { code: status.PERMISSION_DENIED })
  // One that is granted need not wait for what else may be; one that may be waits.
  caller.mayMatch([API], [WEB, API])
  assert.deepEqual(await fetchJwt(['a'], api), [`${api} for a`])
  const undecided = [fetchJwt(['a'], web), fetchJwt(['a'])]
  for (const asked of undecided) asked.catch(() => undefined)
  await clock.advance(5_000)
  for (const asked of undecided) await assert.rejects(asked, { code: status.UNAVAILABLE })
  // The default is settled, and the other has had its moment.
  caller.mayMatch([API], [API, WEB])
  const settled = fetchJwt(['a'])
  await clock.advance(1_000)
  assert.deepEqual(await settled, [`${api} for a`])
  assert.equal(clock.pending, 0)
})

test('FetchJWTSVID waits for the keys and for the signature, no longer than its client does', async () => {
  const { caller, bundles, jwtSvids, fetchJwt, clock } = setUp()
  caller.matches(WEB)
  bundles.set(bundlesOf(bundleOf(OWN, 'root')))
  const waiting = fetchJwt(['a'])
  await settle()
  assert.deepEqual(jwtSvids.fetched, [])
  bundles.set(bundlesOf(wholeBundle(OWN, 'k1')))
  assert.deepEqual(await waiting, [`${web} for a internal`])
  const ails = new SpindleError('authority_unavailable', 'cannot write /var/lib/spindle')
  jwtSvids.onFetch = () => Promise.reject(ails)
  await assert.rejects(fetchJwt(['c']), {
    code: status.UNAVAILABLE,
    details: 'authority_unavailable: the signing authority cannot sign just now',
  })
  jwtSvids.onFetch = () => new Promise(() => undefined)
  const hanging = fetchJwt(['b'], '', (call) => (call.deadline = clock.now() + 2_000))
  hanging.catch(() => undefined)
  await clock.advance(1_750)
  await assert.rejects(hanging, { code: status.UNAVAILABLE, details: /has not answered in time/ })
  assert.equal(clock.pending, 0)
})

test('FetchJWTSVID gives nothing that was taken away, nor to another process, while it was signed', async () => {
  const { caller, jwtSvids, fetchJwt } = setUp()
  caller.matches(WEB, API)
  jwtSvids.onFetch = async () => caller.matches(API)
  assert.deepEqual(await fetchJwt(['a']), [`${api} for a`])
  // The entries were read again and say the same: that is no change.
  jwtSvids.onFetch = async () => caller.matches({ ...API })
  jwtSvids.fetched.length = 0
  assert.deepEqual(await fetchJwt(['a']), [`${api} for a`])
  assert.equal(jwtSvids.fetched.length, 1)
  jwtSvids.onFetch = async () => void (caller.sound = false)
  await assert.rejects(fetchJwt(['a']), { code: status.UNAUTHENTICATED })
})

test('FetchJWTSVID does not go on for a client that has gone', async () => {
  const { caller, jwtSvids, fetchJwt, clock, grants } = setUp()
  let leave = (): void => undefined
  const asked = fetchJwt(['a'], '', (call) => (leave = () => call.cancel()))
  asked.catch(() => undefined)
  await settle()
  leave()
  await assert.rejects(asked)
  caller.matches(WEB)
  await settle()
  assert.deepEqual(jwtSvids.fetched, [])
  assert.deepEqual([clock.pending, grants.of(caller).followers.size], [0, 0])
})
