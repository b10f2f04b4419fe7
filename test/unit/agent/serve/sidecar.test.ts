import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { View } from '../../../../src/xds/resource.ts'
import { settle } from '../../../fakes/clock.ts'
import { createFakeCaller } from '../../../fakes/caller.ts'
import { entry } from '../obtain/setting.ts'
import { OWN, bundleOf, bundlesOf, setUp } from './setting.ts'

const WEB = entry('web')
const API = entry('api')

const stateOf = (view: View, name: string): string => view.resolve(name).state
const whyOf = (view: View, name: string): string => {
  const resolution = view.resolve(name)
  return resolution.state === 'present' ? '' : resolution.why
}

test('a sidecar holds the identities of the entries its caller matches, and no others, until it closes', () => {
  const { caller, identities, sds } = setUp()
  caller.matches(WEB)
  const sidecar = sds.sidecarOf(caller)
  const leases = (): number[] => [WEB, API].map((each) => identities.leasesOf(each))
  assert.deepEqual(leases(), [1, 0])
  caller.matches(WEB, API)
  assert.deepEqual(leases(), [1, 1])
  caller.matches(API)
  assert.deepEqual(leases(), [0, 1])
  assert.equal(sds.sidecarOf(caller), sidecar, 'one for all streams of a connection')
  caller.connection.destroy('over')
  assert.deepEqual(leases(), [0, 0])
  assert.equal(sds.sidecars.size, 0)
  caller.matches(WEB)
  assert.deepEqual(leases(), [0, 0], 'a caller that is gone takes up nothing')
})

test('a view says pending while the caller is undecided, absent where it is not granted, present where it is', () => {
  const { caller, identities, sds } = setUp()
  const view = sds.sidecarOf(caller).view('trusted-ca')
  assert.deepEqual(
    [stateOf(view, 'default'), whyOf(view, 'default')],
    ['pending', 'the caller is being attested'],
  )
  caller.matches()
  assert.equal(stateOf(view, 'default'), 'absent')
  assert.equal(stateOf(view, 'ROOTCA'), 'absent', 'trust material too is for those registered')
  assert.deepEqual(view.all, [])
  caller.matches(WEB)
  assert.deepEqual([stateOf(view, 'default'), stateOf(view, 'ROOTCA')], ['pending', 'present'])
  assert.match(whyOf(view, 'default'), /being issued/)
  identities.fail(WEB, 'the CA is away')
  assert.equal(whyOf(view, 'default'), 'the CA is away')
  identities.set(WEB, 'one')
  assert.equal(stateOf(view, 'default'), 'present')
  assert.equal(stateOf(view, API.spiffeId), 'absent')
  assert.deepEqual(view.all, ['spiffe://example.org', WEB.spiffeId])
})

test('a view follows every change, though it remembers what it resolved', () => {
  const { caller, identities, bundles, sds } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const view = sds.sidecarOf(caller).view('trusted-ca')
  const versions = (): (string | undefined)[] =>
    ['default', 'ROOTCA'].map((name) => {
      const resolution = view.resolve(name)
      return resolution.state === 'present' ? resolution.resource.version : undefined
    })
  const [svid, bundle] = versions()
  assert.deepEqual(versions(), [svid, bundle])
  assert.equal(view.resolve('default'), view.resolve('default'))
  identities.set(WEB, 'two')
  assert.notEqual(versions()[0], svid)
  assert.equal(versions()[1], bundle)
  bundles.set(bundlesOf(bundleOf(OWN, 'root', 'next')))
  assert.notEqual(versions()[1], bundle)
  caller.matches(API)
  assert.equal(stateOf(view, 'default'), 'pending')
})

test('no bundle is no answer: it is pending while the authority has none', () => {
  const { caller, bundles, sds } = setUp()
  caller.matches(entry('web', { federatesWith: ['partner.test' as typeof OWN] }))
  const view = sds.sidecarOf(caller).view('spiffe')
  bundles.set(bundlesOf())
  assert.deepEqual([stateOf(view, 'ROOTCA'), stateOf(view, 'ALL')], ['pending', 'pending'])
  bundles.set(bundlesOf(bundleOf(OWN, 'root')))
  assert.deepEqual([stateOf(view, 'ROOTCA'), stateOf(view, 'ALL')], ['present', 'present'])
  assert.equal(stateOf(view, 'spiffe://partner.test'), 'absent', 'nobody has such a bundle')
  bundles.set(bundlesOf(bundleOf(OWN, 'root'), bundleOf('partner.test' as typeof OWN)))
  assert.equal(stateOf(view, 'spiffe://partner.test'), 'pending', 'it is empty just now')
})

test('what one sidecar may have is nothing to another', async () => {
  const { caller, identities, sds, open } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const other = createFakeCaller({ pid: 8 })
  other.matches()
  const [granted, refused] = [open(), open(other)]
  for (const call of [granted, refused]) call.say({ resourceNamesSubscribe: [WEB.spiffeId] })
  await settle()
  assert.deepEqual([granted.said, refused.said], [['chain one'], [`removed ${WEB.spiffeId}`]])
  refused.ack()
  identities.set(WEB, 'two')
  await settle()
  assert.equal(refused.responses.length, 1)
  assert.equal(sds.sidecars.size, 2)
})

test('a view does not pile up the names a client invents', () => {
  const { caller, sds } = setUp()
  caller.matches(WEB)
  const view = sds.sidecarOf(caller).view('trusted-ca')
  const first = view.resolve('name-0')
  assert.equal(view.resolve('name-0'), first)
  for (let name = 1; name <= 5_000; name++) view.resolve(`name-${name}`)
  assert.notEqual(view.resolve('name-0'), first, 'it was forgotten')
})

test('a view gives the own bundle to a caller without an entry where the policy says so, once that is known of it', () => {
  const policy = {
    reserved: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
    aliases: new Map(),
    trustDomain: OWN,
    unregisteredBundles: true,
  }
  const { caller, sds } = setUp({ policy })
  const view = sds.sidecarOf(caller).view('spiffe')
  const states = (): string[] => ['ROOTCA', 'ALL', 'default'].map((name) => stateOf(view, name))
  assert.deepEqual(states(), ['pending', 'pending', 'pending'], 'an entry may say more')
  caller.matches()
  assert.deepEqual(states(), ['present', 'present', 'absent'])
  assert.deepEqual(view.all, ['spiffe://example.org'])
})

test('an identity that changes is told with the names that mean it, and anything else without', () => {
  const { caller, identities, bundles, sds } = setUp()
  caller.matches(WEB, API)
  const sidecar = sds.sidecarOf(caller)
  const told: (readonly string[] | 'any')[] = []
  sidecar.followers.add({ changed: (names) => void told.push(names ? [...names].sort() : 'any') })
  const views = (['trusted-ca', 'spiffe'] as const).map((flavour) => sidecar.view(flavour))
  const [plain, spiffe] = views
  assert(plain !== undefined && spiffe !== undefined)
  identities.set(WEB, 'nobody asked')
  assert.deepEqual(told.splice(0), [[]])

  plain.resolve('default')
  spiffe.resolve(WEB.spiffeId)
  plain.resolve(API.spiffeId)
  plain.resolve('ROOTCA')
  identities.set(WEB, 'one')
  assert.deepEqual(told.splice(0), [['default', WEB.spiffeId]])
  identities.set(API, 'one')
  assert.deepEqual(told.splice(0), [[API.spiffeId]])
  for (const name of ['default', API.spiffeId]) assert.equal(stateOf(plain, name), 'present')

  bundles.set(bundlesOf(bundleOf(OWN, 'root', 'next')))
  assert.deepEqual(told.splice(0), ['any'])
  plain.resolve('default')
  // A client may ask for more names than are remembered.
  for (let index = 0; index <= 4096; index++) plain.resolve(index % 2 ? `x${index}` : WEB.spiffeId)
  identities.set(WEB, 'two')
  assert.deepEqual(told.splice(0), [['default', WEB.spiffeId]])
  caller.matches(WEB)
  assert.deepEqual(told.splice(0), ['any'])
})
