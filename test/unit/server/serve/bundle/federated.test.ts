import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { Bundle as BundleService } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { BundleMaskSchema, BundleSchema } from '#spire/api/types/bundle_pb.js'
import type { Bundle, BundleMask } from '#spire/api/types/bundle_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createBundleService } from '../../../../../src/server/serve/bundle/service.ts'
import { bundle as stored, td } from '../../../../fakes/store-values.ts'
import { awayFor, setUp } from '../setting.ts'
import type { Setting } from '../setting.ts'
import { KEY, OTHER_KEY, OTHER_ROOT, ROOT, WRONG_KEY, full } from './messages.ts'
import type { BundleInit } from './messages.ts'

const {
  batchCreateFederatedBundle: create_,
  batchSetFederatedBundle: set,
  batchUpdateFederatedBundle: update,
  getFederatedBundle,
  listFederatedBundles,
} = BundleService.method

type Field = Exclude<keyof BundleMask & keyof Bundle, `$${string}`>
const FIELDS = BundleMaskSchema.fields.map(({ localName }) => localName as Field)
const FULL = create(BundleSchema, full('one.test'))

interface Said {
  readonly status?: { readonly code: number; readonly message: string } | undefined
}
const said = (results: readonly Said[]) =>
  results.map((one) => [one.status?.code, one.status?.message])
const lines = ({ audited }: Setting) =>
  audited().map(
    (line) => line.event === 'changed' && [line.object, line.action, line.key, line.revision],
  )

test('a federated bundle is kept in every field, and shown by masks', async (t) => {
  const { call, registry } = await setUp(t, createBundleService)
  const { results } = await call(create_, { bundle: [FULL] })
  assert.deepEqual(said(results), [[status.OK, 'OK']])
  assert.deepEqual(results[0]?.bundle, FULL)
  assert.deepEqual(registry.bundle(td('one.test'))?.jwtAuthorities[0]?.expiresAt, 2_000_000_000_000)
  assert.deepEqual(await call(getFederatedBundle, { trustDomain: 'spiffe://one.test' }), FULL)
  assert.deepEqual((await call(listFederatedBundles, {})).bundles, [FULL])
  for (const field of FIELDS) {
    const outputMask = create(BundleMaskSchema, { [field]: true })
    const only = create(BundleSchema, { trustDomain: 'one.test', [field]: FULL[field] })
    const shown = [
      await call(getFederatedBundle, { trustDomain: 'one.test', outputMask }),
      (await call(listFederatedBundles, { outputMask })).bundles[0],
      (await call(set, { bundle: [FULL], outputMask })).results[0]?.bundle,
      (await call(update, { bundle: [FULL], outputMask })).results[0]?.bundle,
    ]
    for (const one of shown) assert.deepEqual(one, only, field)
  }
})

test('BatchCreateFederatedBundle makes none anew, and refuses the own', async (t) => {
  const setting = await setUp(t, createBundleService)
  const { call } = setting
  const { results } = await call(create_, {
    bundle: [
      { trustDomain: 'one.test', sequenceNumber: 1n },
      { trustDomain: 'spiffe://one.test', sequenceNumber: 2n },
      { trustDomain: 'example.org' },
      { trustDomain: 'A.test' },
      { trustDomain: '' },
      { trustDomain: 'two.test' },
    ],
  })
  const [first, second, own, upper, none, last] = said(results)
  assert.deepEqual(
    [first, last],
    [
      [status.OK, 'OK'],
      [status.OK, 'OK'],
    ],
  )
  assert.deepEqual(second, [status.ALREADY_EXISTS, 'bundle already exists'])
  assert.deepEqual(own, [
    status.INVALID_ARGUMENT,
    "creating a federated bundle for the server's own trust domain is not allowed",
  ])
  for (const bad of [upper, none]) {
    assert.equal(bad?.[0], status.INVALID_ARGUMENT)
    assert.match(String(bad[1]), /^trust domain argument is not valid: /)
  }
  const kept = await call(getFederatedBundle, { trustDomain: 'one.test' })
  assert.equal(kept.sequenceNumber, 1n)
  assert.deepEqual(lines(setting), [
    ['bundle', 'create', 'one.test', 1],
    ['bundle', 'create', 'two.test', 0],
  ])
})

const BROKEN: readonly (readonly [says: string, bundle: BundleInit])[] = [
  [
    'unable to parse X.509 authority: x509_authorities[1]: not a certificate',
    { x509Authorities: [{ asn1: ROOT }, { asn1: ROOT.subarray(0, 50) }] },
  ],
  [
    'unable to parse X.509 authority: x509_authorities[0]: not a certificate',
    { x509Authorities: [{ asn1: Buffer.concat([ROOT, OTHER_ROOT]) }] },
  ],
  [
    'unable to parse JWT authority: jwt_authorities[0]: missing key ID',
    { jwtAuthorities: [{ publicKey: KEY }] },
  ],
  [
    'unable to parse JWT authority: jwt_authorities[0]: no public key',
    { jwtAuthorities: [{ keyId: 'a', publicKey: Uint8Array.of(1) }] },
  ],
  [
    'unable to parse JWT authority: jwt_authorities[0]: no key that signs JWT-SVIDs',
    { jwtAuthorities: [{ keyId: 'a', publicKey: WRONG_KEY }] },
  ],
  [
    'unable to parse JWT authority: jwt_authorities[0]: expires_at is not an instant',
    { jwtAuthorities: [{ keyId: 'a', publicKey: KEY, expiresAt: -1n }] },
  ],
  [
    'unable to parse JWT authority: jwt_authorities[1]: its key ID is that of another key',
    {
      jwtAuthorities: [
        { keyId: 'a', publicKey: KEY },
        { keyId: 'a', publicKey: OTHER_KEY },
      ],
    },
  ],
  [
    'unable to parse WIT authority: wit_authorities[0]: missing key ID',
    { witAuthorities: [{ publicKey: KEY }] },
  ],
  ['refresh_hint is not a number of seconds from 0 to 2147483647', { refreshHint: -1n }],
  ['refresh_hint is not a number of seconds from 0 to 2147483647', { refreshHint: 2n ** 31n }],
  ['sequence_number is above 9007199254740991', { sequenceNumber: 2n ** 53n }],
]

test('a federated bundle that is broken is refused, and it is said where', async (t) => {
  const { call, store } = await setUp(t, createBundleService)
  await store.bundles.change(td('two.test'), () => stored('two.test'))
  const broken = BROKEN.map(([, bundle]) => ({ ...bundle, trustDomain: 'one.test' }))
  const request = { bundle: [...broken, { trustDomain: 'two.test', sequenceNumber: 7n }] }
  for (const asked of [call(create_, request), call(set, request), call(update, request)]) {
    const outcomes = said((await asked).results)
    BROKEN.forEach(([says], at) => {
      const [code, message] = outcomes[at] ?? []
      assert.equal(code, status.INVALID_ARGUMENT, says)
      assert.ok(String(message).startsWith(`failed to convert bundle: ${says}`), String(message))
    })
  }
  assert.equal(await store.bundles.get(td('one.test')), undefined)
  assert.equal((await store.bundles.get(td('two.test')))?.sequence, 7)
})

test('authorities that are given twice are kept once', async (t) => {
  const { call } = await setUp(t, createBundleService)
  const twice = <T>(one: T): T[] => [one, one]
  const { results } = await call(set, {
    bundle: [
      {
        trustDomain: 'one.test',
        x509Authorities: twice({ asn1: ROOT }),
        jwtAuthorities: twice({ keyId: 'a', publicKey: KEY }),
      },
    ],
  })
  const kept = results[0]?.bundle
  assert.deepEqual([kept?.x509Authorities.length, kept?.jwtAuthorities.length], [1, 1])
})

test('BatchSetFederatedBundle makes and replaces; BatchUpdateFederatedBundle changes what its mask names of one that is there', async (t) => {
  const setting = await setUp(t, createBundleService)
  const { call } = setting
  const refused = await call(update, { bundle: [FULL, { trustDomain: 'example.org' }] })
  assert.deepEqual(said(refused.results), [
    [status.NOT_FOUND, 'bundle not found'],
    [
      status.INVALID_ARGUMENT,
      "updating a federated bundle for the server's own trust domain is not allowed",
    ],
  ])
  const own = await call(set, { bundle: [{ trustDomain: 'example.org' }] })
  assert.deepEqual(said(own.results), [
    [
      status.INVALID_ARGUMENT,
      "setting a federated bundle for the server's own trust domain is not allowed",
    ],
  ])
  assert.deepEqual((await call(set, { bundle: [FULL] })).results[0]?.bundle, FULL)
  const empty = create(BundleSchema, { trustDomain: 'one.test' })
  for (const field of FIELDS) {
    const { results } = await call(update, { bundle: [empty], inputMask: { [field]: true } })
    assert.deepEqual(
      results[0]?.bundle,
      create(BundleSchema, { ...FULL, [field]: empty[field] }),
      field,
    )
    await call(set, { bundle: [FULL] })
  }
  assert.deepEqual((await call(update, { bundle: [empty] })).results[0]?.bundle, empty)
  assert.deepEqual((await call(set, { bundle: [empty] })).results[0]?.bundle, empty)
  assert.ok(lines(setting).every((line) => line !== false && line[2] === 'one.test'))
})

test('a bundle that cannot be stored is refused alone', async (t) => {
  const setting = await setUp(t, (parts) => createBundleService(awayFor(parts, 'two.test')))
  const { results } = await setting.call(set, {
    bundle: [{ trustDomain: 'one.test' }, { trustDomain: 'two.test' }, { trustDomain: 'a.test' }],
  })
  assert.deepEqual(said(results), [
    [status.OK, 'OK'],
    [status.UNAVAILABLE, 'failed to set bundle: the disk is full'],
    [status.OK, 'OK'],
  ])
  assert.equal(lines(setting).length, 2)
})
