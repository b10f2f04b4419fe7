/** The bundles that relationships are shown with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TrustDomain as TrustDomainService } from '#spire/api/server/trustdomain/v1/trustdomain_pb.js'
import { createTrustDomainService } from '../../../../../src/server/serve/trustdomain/service.ts'
import { bundle as stored, td } from '../../../../fakes/store-values.ts'
import { setUp } from '../setting.ts'
import { web } from './messages.ts'

const {
  batchCreateFederationRelationship: create_,
  batchUpdateFederationRelationship: update,
  getFederationRelationship: get,
  listFederationRelationships: list,
} = TrustDomainService.method

test('a bundle that was there before is shown with the relationship', async (t) => {
  const { call, store, registry } = await setUp(t, createTrustDomainService)
  await store.bundles.change(td('one.test'), () => stored('one.test', { x509Authorities: [] }))
  await registry.caughtUp()
  const { results } = await call(create_, { federationRelationships: [web('one.test')] })
  assert.equal(results[0]?.federationRelationship?.trustDomainBundle?.sequenceNumber, 1n)
})

test('the bundle that is answered with a relationship is the one that is stored, while the registry shows an older one, or none', async (t) => {
  for (const shown of [undefined, stored('one.test', { sequence: 1 })]) {
    const setting = await setUp(t, (parts) => {
      const registry = { ...parts.registry, bundle: () => shown, shown: () => Promise.resolve() }
      return createTrustDomainService({ ...parts, registry })
    })
    const { call } = setting
    const trustDomainBundle = { trustDomain: 'one.test', sequenceNumber: 7n }
    const request = { federationRelationships: [web('one.test', { trustDomainBundle })] }
    for (const { results } of [await call(create_, request), await call(update, request)])
      assert.equal(results[0]?.federationRelationship?.trustDomainBundle?.sequenceNumber, 7n)
    if (shown !== undefined) continue
    const { federationRelationships } = await call(list, {})
    for (const one of [federationRelationships[0], await call(get, { trustDomain: 'one.test' })])
      assert.equal(one?.trustDomainBundle?.sequenceNumber, 7n)
  }
})
