import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import {
  BatchDeleteFederatedBundleRequest_Mode as Mode,
  Bundle as BundleService,
} from '#spire/api/server/bundle/v1/bundle_pb.js'
import { BundleSchema } from '#spire/api/types/bundle_pb.js'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import type { Registry } from '../../../../../src/server/enroll/registry.ts'
import { createBundleService } from '../../../../../src/server/serve/bundle/service.ts'
import { bundle as stored, entry, td } from '../../../../fakes/store-values.ts'
import { setUp } from '../setting.ts'
import type { Setting } from '../setting.ts'
import { full } from './messages.ts'

const {
  batchDeleteFederatedBundle: delete_,
  batchSetFederatedBundle: set,
  countBundles,
  getFederatedBundle,
  listFederatedBundles,
} = BundleService.method

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

test('BatchDeleteFederatedBundle by each mode: entries hold it, go with it, or part with it', async (t) => {
  const setting = await setUp(t, createBundleService)
  const { call, store } = setting
  const trustDomains = ['one.test', 'spiffe://one.test', 'example.org', 'A']
  await call(set, { bundle: [FULL, create(BundleSchema, full('two.test'))] })
  await store.entries.create([
    entry('/a', { id: 'a' as never, federatesWith: [td('one.test')] }),
    entry('/b', { id: 'b' as never, federatesWith: [td('one.test'), td('two.test')] }),
    entry('/c', { id: 'c' as never }),
  ])
  setting.audited()
  const restricted = await call(delete_, { trustDomains })
  assert.deepEqual(said(restricted.results).slice(0, 3), [
    [
      status.FAILED_PRECONDITION,
      'failed to delete federated bundle: cannot delete bundle; federated with 2 registration entries',
    ],
    [
      status.FAILED_PRECONDITION,
      'failed to delete federated bundle: cannot delete bundle; federated with 2 registration entries',
    ],
    [status.INVALID_ARGUMENT, 'removing the bundle for the server trust domain is not allowed'],
  ])
  assert.equal(restricted.results[3]?.status?.code, status.INVALID_ARGUMENT)
  assert.deepEqual(
    restricted.results.map(({ trustDomain }) => trustDomain),
    trustDomains,
  )
  assert.deepEqual(lines(setting), [])

  const parted = await call(delete_, { trustDomains: ['two.test'], mode: Mode.DISSOCIATE })
  assert.deepEqual(said(parted.results), [[status.OK, 'OK']])
  assert.deepEqual(lines(setting), [
    ['bundle', 'delete', 'two.test', undefined],
    ['entry', 'update', 'b', 1],
  ])
  const gone = await call(delete_, { trustDomains: trustDomains.slice(0, 2), mode: Mode.DELETE })
  assert.deepEqual(said(gone.results), [
    [status.OK, 'OK'],
    [status.NOT_FOUND, 'bundle not found'],
  ])
  assert.deepEqual(lines(setting), [
    ['bundle', 'delete', 'one.test', undefined],
    ['entry', 'delete', 'a', 0],
    ['entry', 'delete', 'b', 1],
  ])
  assert.equal(await store.entries.count({}), 1)
  assert.equal(setting.registry.bundle(td('one.test')), undefined)
  assert.equal(setting.registry.entry('a' as never), undefined)
  await assert.rejects(call(delete_, { trustDomains, mode: 9 as Mode }), {
    code: status.INVALID_ARGUMENT,
  })
})

test('GetFederatedBundle tells of none, and not of the own', async (t) => {
  const { call } = await setUp(t, createBundleService)
  await assert.rejects(call(getFederatedBundle, { trustDomain: 'one.test' }), {
    code: status.NOT_FOUND,
    details: 'bundle not found',
  })
  await assert.rejects(call(getFederatedBundle, { trustDomain: 'example.org' }), {
    code: status.INVALID_ARGUMENT,
    details: "getting a federated bundle for the server's own trust domain is not allowed",
  })
  await assert.rejects(call(getFederatedBundle, { trustDomain: 'A' }), {
    code: status.INVALID_ARGUMENT,
  })
})

test('GetFederatedBundle tells of one that another server has set and this one has not heard of yet', async (t) => {
  const { call, store } = await setUp(t, (parts) => {
    const registry = Object.create(parts.registry, {
      bundle: { value: () => undefined },
    }) as Registry
    return createBundleService({ ...parts, registry })
  })
  await store.bundles.change(td('one.test'), () => stored('one.test'))
  const shown = await call(getFederatedBundle, { trustDomain: 'one.test' })
  assert.equal(shown.sequenceNumber, 1n)
})

test('ListFederatedBundles in pages leaves out the own bundle, and no page is shorter for it', async (t) => {
  const { call, store } = await setUp(t, createBundleService)
  const names = ['a.test', 'd.test', 'f.test', 'g.test', 'h.test']
  for (const name of [...names, 'example.org'])
    await store.bundles.change(td(name), () => stored(name))
  for (const pageSize of [1, 2, 3, 4, 5]) {
    const pages: string[][] = []
    let pageToken = ''
    do {
      const page = await call(listFederatedBundles, { pageSize, pageToken })
      pages.push(page.bundles.map(({ trustDomain }) => trustDomain))
      pageToken = page.nextPageToken
    } while (pageToken !== '' && pages.length < 9)
    assert.deepEqual(pages.flat(), names)
    assert.ok(pages.every((page, at) => page.length === pageSize || at === pages.length - 1))
  }
  assert.equal((await call(listFederatedBundles, {})).bundles.length, 5)
  // As SPIRE counts: the own one too.
  assert.equal((await call(countBundles, {})).count, 6)
})
