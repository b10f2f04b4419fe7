import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGrants } from '../../../../../src/agent/serve/grant/grants.ts'
import { createFeed } from '../../../../../src/runtime/feed.ts'
import { createFakeCaller } from '../../../../fakes/caller.ts'
import { createFakeIdentities } from '../../../../fakes/identities.ts'
import { entry } from '../../obtain/setting.ts'

const WEB = entry('web')
const API = entry('api')

function setUp() {
  const identities = createFakeIdentities()
  const bundles = createFeed<object>({})
  const grants = createGrants({ identities, bundles })
  const caller = createFakeCaller()
  const grant = grants.of(caller)
  let changes = 0
  grant.followers.add({ changed: () => void changes++ })
  return { identities, bundles, grants, caller, grant, changes: () => changes }
}

test('a grant is one for a caller, holds the identities of its entries, and ends with the connection', () => {
  const { identities, grants, caller, grant } = setUp()
  assert.equal(grants.of(caller), grant)
  caller.matches(WEB, API)
  assert.deepEqual([WEB, API].map(identities.leasesOf), [1, 1])
  assert.deepEqual([grant.granted.entries, grant.granted.defaultEntry], [[WEB, API], WEB])
  caller.matches(API)
  assert.deepEqual([WEB, API].map(identities.leasesOf), [0, 1])
  assert.equal(grant.lease(WEB.id), undefined)
  caller.connection.destroy('over')
  assert.deepEqual([WEB, API].map(identities.leasesOf), [0, 0])
  assert.equal(grants.all.size, 0)
  assert.deepEqual(grant.granted.entries, [])
})

test('followers of a grant hear of its entries, of their identities and of bundles, and not of what is others', () => {
  const { identities, bundles, grants, caller, grant, changes } = setUp()
  caller.matches(WEB)
  assert.equal(changes(), 1)
  identities.set(WEB, 'one')
  assert.equal(changes(), 2)
  identities.set(API, 'other')
  assert.equal(changes(), 2)
  bundles.set({})
  assert.equal(changes(), 3)
  const { current } = caller.state
  caller.state.set({ ...current, retryAt: 5 })
  assert.equal(changes(), 3, 'the same match')
  caller.isUndecided('why')
  assert.deepEqual([changes(), grant.undecided], [4, 'why'])
  grants.close()
  caller.matches(WEB)
  identities.set(WEB, 'two')
  bundles.set({})
  assert.equal(changes(), 4)
  assert.equal(identities.leasesOf(WEB), 0)
})
