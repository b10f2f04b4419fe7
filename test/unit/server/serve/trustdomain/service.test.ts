import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { TrustDomain as TrustDomainService } from '#spire/api/server/trustdomain/v1/trustdomain_pb.js'
import { FederationRelationshipSchema } from '#spire/api/types/federationrelationship_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createTrustDomainService } from '../../../../../src/server/serve/trustdomain/service.ts'
import { td } from '../../../../fakes/store-values.ts'
import { full } from '../bundle/messages.ts'
import { awayFor, setUp } from '../setting.ts'
import type { Setting } from '../setting.ts'
import { web } from './messages.ts'
import type { Init } from './messages.ts'

const {
  batchCreateFederationRelationship: create_,
  batchDeleteFederationRelationship: delete_,
  batchUpdateFederationRelationship: update,
  getFederationRelationship: get,
  listFederationRelationships: list,
  refreshBundle,
} = TrustDomainService.method

const spiffe = (endpointSpiffeId: string): NonNullable<Init['bundleEndpointProfile']> => ({
  case: 'httpsSpiffe',
  value: { endpointSpiffeId },
})
const message = (init: Init) => create(FederationRelationshipSchema, init)

interface Said {
  readonly status?: { readonly code: number; readonly message: string } | undefined
}
const said = (results: readonly Said[]) =>
  results.map((one) => [one.status?.code, one.status?.message])
const lines = ({ audited }: Setting) =>
  audited().map((line) => line.event === 'changed' && [line.object, line.action, line.key])

const FULL = web('one.test', {
  bundleEndpointProfile: spiffe('spiffe://two.test/endpoint'),
  trustDomainBundle: full('one.test'),
})
const FIELDS = ['bundleEndpointUrl', 'bundleEndpointProfile', 'trustDomainBundle'] as const

test('a relationship is kept in every field, its bundle as that of the trust domain, and shown by masks', async (t) => {
  const setting = await setUp(t, createTrustDomainService)
  const { call, registry } = setting
  const { results } = await call(create_, { federationRelationships: [FULL] })
  assert.deepEqual(said(results), [[status.OK, 'OK']])
  assert.deepEqual(results[0]?.federationRelationship, message(FULL))
  assert.equal(registry.bundle(td('one.test'))?.sequence, 9)
  assert.deepEqual(lines(setting), [
    ['bundle', 'set', 'one.test'],
    ['federation', 'create', 'one.test'],
  ])
  assert.deepEqual(await call(get, { trustDomain: 'spiffe://one.test' }), message(FULL))
  assert.deepEqual((await call(list, {})).federationRelationships, [message(FULL)])
  for (const field of FIELDS) {
    const outputMask = { [field]: true }
    const only = create(FederationRelationshipSchema, {
      trustDomain: 'one.test',
      [field]: message(FULL)[field],
    })
    const shown = [
      await call(get, { trustDomain: 'one.test', outputMask }),
      (await call(list, { outputMask })).federationRelationships[0],
      (await call(update, { federationRelationships: [FULL], outputMask })).results[0]
        ?.federationRelationship,
    ]
    for (const one of shown) assert.deepEqual(one, only, field)
  }
})

test('creating tells an outcome for each: none anew, none of the own trust domain', async (t) => {
  const setting = await setUp(t, createTrustDomainService)
  const { results } = await setting.call(create_, {
    federationRelationships: [
      web('one.test'),
      web('one.test', { trustDomainBundle: full('one.test') }),
      web('example.org'),
      web('two.test'),
    ],
  })
  assert.deepEqual(said(results), [
    [status.OK, 'OK'],
    [
      status.ALREADY_EXISTS,
      'failed to create federation relationship: federation relationship already exists',
    ],
    [status.INVALID_ARGUMENT, 'unable to create federation relationship for server trust domain'],
    [status.OK, 'OK'],
  ])
  assert.equal(setting.registry.bundle(td('one.test')), undefined)
  assert.deepEqual(lines(setting), [
    ['federation', 'create', 'one.test'],
    ['federation', 'create', 'two.test'],
  ])
})

const BROKEN: readonly (readonly [says: string, relationship: Init])[] = [
  ['failed to parse trust domain: ', { trustDomain: '' }],
  ['failed to parse trust domain: "A.test" has "A"', { trustDomain: 'A.test' }],
  ['bundle endpoint URL must use the https scheme', { bundleEndpointUrl: '' }],
  ['bundle endpoint URL must use the https scheme', { bundleEndpointUrl: 'http://a.test' }],
  ['bundle endpoint URL must use the https scheme', { bundleEndpointUrl: 'https:a.test' }],
  ['bundle endpoint URL must specify the host', { bundleEndpointUrl: 'https:///bundle' }],
  ['bundle endpoint URL must specify the host', { bundleEndpointUrl: 'https://:8443/bundle' }],
  ['bundle endpoint URL must not contain user info', { bundleEndpointUrl: 'https://u:p@a.test' }],
  ['failed to parse bundle endpoint URL', { bundleEndpointUrl: 'https://a.test/a b' }],
  ['failed to parse bundle endpoint URL', { bundleEndpointUrl: 'https://a.test:99999' }],
  ['failed to parse bundle endpoint URL', { bundleEndpointUrl: 'https://[::1' }],
  [
    'bundle_endpoint_profile is neither https_web nor https_spiffe',
    { bundleEndpointProfile: { case: undefined } },
  ],
  [
    'failed to parse endpoint SPIFFE ID: "two.test" does not begin with spiffe://',
    { bundleEndpointProfile: spiffe('two.test') },
  ],
  [
    'failed to parse bundle: trust domain bundle ("two.test") must match the trust domain of the federation relationship ("one.test")',
    { trustDomainBundle: full('two.test') },
  ],
  [
    'failed to parse bundle: unable to parse X.509 authority: ',
    { trustDomainBundle: { trustDomain: 'one.test', x509Authorities: [{}] } },
  ],
]

test('a relationship that is broken is refused, and it is said where', async (t) => {
  const setting = await setUp(t, createTrustDomainService)
  const { call, store } = setting
  await call(create_, { federationRelationships: [web('two.test')] })
  lines(setting)
  const broken = BROKEN.map(([, relationship]) => ({ ...web('one.test'), ...relationship }))
  const request = { federationRelationships: [...broken, web('two.test')] }
  for (const { results } of [await call(create_, request), await call(update, request)]) {
    const outcomes = said(results)
    assert.equal(outcomes.length, BROKEN.length + 1)
    BROKEN.forEach(([says], at) => {
      const [code, text] = outcomes[at] ?? []
      const all = `failed to convert federation relationship: ${says}`
      assert.equal(code, status.INVALID_ARGUMENT, says)
      assert.ok(String(text).startsWith(all), `${text} is not ${all}`)
    })
  }
  assert.equal(await store.federation.count(), 1)
  assert.equal(await store.bundles.count(), 0)
  assert.deepEqual(lines(setting), [['federation', 'update', 'two.test']])
})

test('updating changes what the mask names, and of one that is there', async (t) => {
  const setting = await setUp(t, createTrustDomainService)
  const { call } = setting
  const missing = await call(update, { federationRelationships: [FULL] })
  assert.deepEqual(said(missing.results), [
    [
      status.NOT_FOUND,
      'failed to update federation relationship: federation relationship not found',
    ],
  ])
  assert.equal(setting.registry.bundle(td('one.test')), undefined)
  const before = web('one.test')
  await call(create_, { federationRelationships: [before] })
  lines(setting)
  for (const field of FIELDS) {
    // The others are not looked at.
    const given: Init = { trustDomain: 'one.test', [field]: message(FULL)[field] }
    const request = { federationRelationships: [given], inputMask: { [field]: true } }
    const { results } = await call(update, request)
    assert.equal(results[0]?.status?.message, 'OK')
    assert.deepEqual(results[0].federationRelationship?.[field], message(FULL)[field])
  }
  assert.deepEqual(await call(get, { trustDomain: 'one.test' }), message(FULL))
  // No bundle is given: the one that is there stays.
  const { results } = await call(update, { federationRelationships: [before] })
  assert.deepEqual(
    results[0]?.federationRelationship,
    message({ ...before, trustDomainBundle: full('one.test') }),
  )
  assert.deepEqual(lines(setting), [
    ['federation', 'update', 'one.test'],
    ['federation', 'update', 'one.test'],
    ['bundle', 'set', 'one.test'],
    ['federation', 'update', 'one.test'],
    ['federation', 'update', 'one.test'],
  ])
})

test('deleting tells an outcome for each, and leaves the bundle', async (t) => {
  const setting = await setUp(t, createTrustDomainService)
  const { call, store } = setting
  await call(create_, { federationRelationships: [FULL] })
  lines(setting)
  const { results } = await call(delete_, {
    trustDomains: ['spiffe://one.test', 'one.test', '', 'A'],
  })
  assert.deepEqual(said(results).slice(0, 3), [
    [status.OK, 'OK'],
    [status.NOT_FOUND, 'federation relationship not found'],
    [status.INVALID_ARGUMENT, 'missing trust domain'],
  ])
  assert.equal(results[3]?.status?.code, status.INVALID_ARGUMENT)
  assert.match(results[3].status.message, /^failed to parse trust domain: /)
  assert.deepEqual(
    results.map(({ trustDomain }) => trustDomain),
    ['one.test', 'one.test', '', 'A'],
  )
  assert.equal(await store.federation.count(), 0)
  assert.equal(await store.bundles.count(), 1)
  assert.deepEqual(lines(setting), [['federation', 'delete', 'one.test']])
})

test('GetFederationRelationship and RefreshBundle tell of none in SPIRE’s words', async (t) => {
  const { call } = await setUp(t, createTrustDomainService)
  await assert.rejects(call(get, { trustDomain: 'one.test' }), {
    code: status.NOT_FOUND,
    details: 'federation relationship does not exist',
  })
  await assert.rejects(call(refreshBundle, { trustDomain: 'one.test' }), {
    code: status.NOT_FOUND,
    details: 'no relationship with trust domain "one.test"',
  })
  for (const refused of [call(get, {}), call(refreshBundle, {})])
    await assert.rejects(refused, {
      code: status.INVALID_ARGUMENT,
      details: /^failed to parse trust domain: /,
    })
})

test('RefreshBundle is not offered yet, and says what to do', async (t) => {
  const { call } = await setUp(t, createTrustDomainService)
  await call(create_, { federationRelationships: [web('one.test')] })
  await assert.rejects(call(refreshBundle, { trustDomain: 'one.test' }), {
    code: status.UNIMPLEMENTED,
    details: /bundle set/,
  })
})

test('ListFederationRelationships in pages shows each once while others come and go', async (t) => {
  const { call } = await setUp(t, createTrustDomainService)
  const names = ['a', 'c', 'e', 'g', 'i'].map((name) => `${name}.test`)
  await call(create_, { federationRelationships: names.map((name) => web(name)) })
  const seen: string[] = []
  let pageToken = ''
  do {
    const page = await call(list, { pageSize: 2, pageToken, outputMask: {} })
    assert.ok(page.federationRelationships.length <= 2)
    seen.push(...page.federationRelationships.map(({ trustDomain }) => trustDomain))
    pageToken = page.nextPageToken
    await call(delete_, { trustDomains: [seen.at(-1) ?? ''] })
    await call(create_, { federationRelationships: [web('b.test')] })
  } while (pageToken !== '' && seen.length < 20)
  assert.deepEqual(seen, names)
  await assert.rejects(call(list, { pageSize: -1 }), { code: status.INVALID_ARGUMENT })
})

test('a relationship that cannot be stored is refused alone', async (t) => {
  const setting = await setUp(t, (parts) => createTrustDomainService(awayFor(parts, 'two.test')))
  const { call } = setting
  const { results } = await call(create_, {
    federationRelationships: [web('one.test'), web('two.test'), web('a.test')],
  })
  assert.deepEqual(said(results), [
    [status.OK, 'OK'],
    [status.UNAVAILABLE, 'failed to create federation relationship: the disk is full'],
    [status.OK, 'OK'],
  ])
  const deleted = await call(delete_, { trustDomains: ['two.test', 'one.test'] })
  assert.deepEqual(said(deleted.results), [
    [status.UNAVAILABLE, 'failed to delete federation relationship: the disk is full'],
    [status.OK, 'OK'],
  ])
  assert.equal(lines(setting).length, 3)
})
