import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { Bundle as BundleService } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { BundleMaskSchema, BundleSchema } from '#spire/api/types/bundle_pb.js'
import type { Bundle, BundleMask } from '#spire/api/types/bundle_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createBundleService } from '../../../../../src/server/serve/bundle/service.ts'
import { bundle as stored, id, td } from '../../../../fakes/store-values.ts'
import { bearer, setUp } from '../setting.ts'
import { KEY, OTHER_KEY, OTHER_ROOT, ROOT, full } from './messages.ts'
import type { BundleInit } from './messages.ts'

const { appendBundle, getBundle, publishJWTAuthority, publishWITAuthority } = BundleService.method

type Field = Exclude<keyof BundleMask & keyof Bundle, `$${string}`>

async function setUpOwn(t: Parameters<typeof setUp>[0]) {
  const setting = await setUp(t, createBundleService)
  await setting.store.bundles.change(td('example.org'), () => ({
    ...stored('example.org'),
    x509Authorities: [{ certificate: ROOT, tainted: true }],
    jwtAuthorities: [{ keyId: 'j', publicKey: KEY, tainted: true }],
    refreshHintSeconds: 300,
    sequence: 4,
  }))
  await setting.registry.caughtUp()
  return setting
}

const OWN_INIT: BundleInit = {
  trustDomain: 'example.org',
  x509Authorities: [{ asn1: ROOT, tainted: true }],
  jwtAuthorities: [{ keyId: 'j', publicKey: KEY, tainted: true }],
  refreshHint: 300n,
  sequenceNumber: 4n,
}
const OWN = create(BundleSchema, OWN_INIT)

test('GetBundle gives the own bundle, by masks', async (t) => {
  const { call } = await setUpOwn(t)
  assert.deepEqual(await call(getBundle, {}), OWN)
  for (const { localName } of BundleMaskSchema.fields) {
    const field = localName as Field
    const outputMask = create(BundleMaskSchema, { [field]: true })
    const only = create(BundleSchema, { trustDomain: 'example.org', [field]: OWN[field] })
    assert.deepEqual(await call(getBundle, { outputMask }), only, field)
  }
})

test('without an own bundle there is nothing to get or to add to', async (t) => {
  const { call, audited } = await setUp(t, createBundleService)
  const none = { code: status.NOT_FOUND, details: 'bundle not found' }
  await assert.rejects(call(getBundle, {}), none)
  await assert.rejects(call(appendBundle, { x509Authorities: [{ asn1: ROOT }] }), none)
  assert.deepEqual(audited(), [])
})

test('AppendBundle adds what is not there, counts the sequence up once, and takes no taint away', async (t) => {
  const { call, audited, registry } = await setUpOwn(t)
  const { x509Authorities = [], witAuthorities = [] } = full('example.org')
  const request = {
    x509Authorities: x509Authorities.map((one) => ({ ...one, tainted: false })),
    jwtAuthorities: [
      { keyId: 'j', publicKey: KEY },
      { keyId: 'k', publicKey: OTHER_KEY, expiresAt: 2_000_000_000n },
    ],
    witAuthorities,
  }
  const grown = create(BundleSchema, {
    ...OWN_INIT,
    x509Authorities: [{ asn1: ROOT, tainted: true }, { asn1: OTHER_ROOT }],
    jwtAuthorities: [
      { keyId: 'j', publicKey: KEY, tainted: true },
      { keyId: 'k', publicKey: OTHER_KEY, expiresAt: 2_000_000_000n },
    ],
    witAuthorities: [{ keyId: 'w', publicKey: OTHER_KEY }],
    sequenceNumber: 5n,
  })
  assert.deepEqual(await call(appendBundle, request), grown)
  assert.deepEqual(await call(appendBundle, request), grown)
  assert.deepEqual(await call(getBundle, {}), grown)
  assert.equal(registry.bundle(td('example.org'))?.sequence, 5)
  const masked = await call(appendBundle, { ...request, outputMask: { sequenceNumber: true } })
  assert.deepEqual(masked, create(BundleSchema, { trustDomain: 'example.org', sequenceNumber: 5n }))
  assert.deepEqual(
    audited().map((line) => line.event === 'changed' && [line.action, line.key, line.revision]),
    [['append', 'example.org', 5]],
  )
})

test('AppendBundle refuses nothing, what is broken, and another key by an ID that is taken', async (t) => {
  const { call, audited } = await setUpOwn(t)
  const invalid = (details: RegExp) => ({ code: status.INVALID_ARGUMENT, details })
  await assert.rejects(call(appendBundle, {}), invalid(/^no authorities to append$/))
  await assert.rejects(
    call(appendBundle, { x509Authorities: [{ asn1: KEY }] }),
    invalid(
      /^failed to convert X\.509 authority: unable to parse X\.509 authority: x509_authorities\[0\]/,
    ),
  )
  await assert.rejects(
    call(appendBundle, { jwtAuthorities: [{ keyId: '', publicKey: KEY }] }),
    invalid(/^failed to convert JWT authority: .*missing key ID$/),
  )
  await assert.rejects(
    call(appendBundle, {
      x509Authorities: [{ asn1: OTHER_ROOT }],
      jwtAuthorities: [{ keyId: 'j', publicKey: OTHER_KEY }],
    }),
    invalid(/the key ID "j" is that of another key of the bundle/),
  )
  assert.deepEqual(await call(getBundle, {}), OWN)
  assert.deepEqual(audited(), [])
})

test('PublishJWTAuthority adds the key of a server below, and tells it all keys', async (t) => {
  const { call, audited } = await setUpOwn(t)
  const jwtAuthority = { keyId: 'k', publicKey: OTHER_KEY, expiresAt: 2_000_000_000n }
  const { jwtAuthorities } = await call(publishJWTAuthority, { jwtAuthority })
  assert.deepEqual(
    jwtAuthorities.map(({ keyId, expiresAt, tainted }) => [keyId, expiresAt, tainted]),
    [
      ['j', 0n, true],
      ['k', 2_000_000_000n, false],
    ],
  )
  assert.deepEqual((await call(getBundle, {})).jwtAuthorities, jwtAuthorities)
  await call(publishJWTAuthority, { jwtAuthority })
  assert.deepEqual(
    audited().map((line) => line.event === 'changed' && [line.action, line.key, line.revision]),
    [['publish-jwt-authority', 'example.org', 5]],
  )
})

test('PublishJWTAuthority refuses none, a broken one, and one in the place of another', async (t) => {
  const { call } = await setUpOwn(t)
  const invalid = (details: RegExp) => ({ code: status.INVALID_ARGUMENT, details })
  await assert.rejects(call(publishJWTAuthority, {}), invalid(/^missing JWT authority$/))
  await assert.rejects(
    call(publishJWTAuthority, { jwtAuthority: { keyId: 'k', publicKey: ROOT } }),
    invalid(/^invalid JWT authority: /),
  )
  await assert.rejects(
    call(publishJWTAuthority, { jwtAuthority: { keyId: 'j', publicKey: OTHER_KEY } }),
    invalid(/is that of another key/),
  )
  assert.deepEqual(await call(getBundle, {}), OWN)
})

test('PublishWITAuthority is not offered, as by SPIRE without its flag', async (t) => {
  const { call } = await setUpOwn(t)
  await assert.rejects(call(publishWITAuthority, {}), { code: status.UNIMPLEMENTED })
})

test('PublishJWTAuthority makes an address wait that publishes more than 500 keys a second', async (t) => {
  const { call, become, clock } = await setUpOwn(t)
  become(bearer(id('/below')))
  const jwtAuthority = { keyId: 'j', publicKey: KEY }
  for (let at = 0; at < 500; at++) await call(publishJWTAuthority, { jwtAuthority })
  const late = call(publishJWTAuthority, { jwtAuthority })
  for (let turn = 0; clock.pending === 0 && turn < 5_000; turn++)
    await new Promise((resolve) => setImmediate(resolve))
  assert.equal(clock.pending, 1)
  await clock.advance(2)
  await late
})

test('the own bundle has no more authorities than are of use', async (t) => {
  const { call, store, registry } = await setUpOwn(t)
  await store.bundles.change(td('example.org'), (current) => ({
    ...current!,
    jwtAuthorities: Array.from({ length: 1000 }, (_, at) => ({
      keyId: `k${at}`,
      publicKey: KEY,
      tainted: false,
    })),
  }))
  await registry.caughtUp()
  const known = { jwtAuthority: { keyId: 'k7', publicKey: KEY } }
  assert.equal((await call(publishJWTAuthority, known)).jwtAuthorities.length, 1000)
  const more = { jwtAuthority: { keyId: 'more', publicKey: KEY } }
  await assert.rejects(call(publishJWTAuthority, more), { code: status.RESOURCE_EXHAUSTED })
})
