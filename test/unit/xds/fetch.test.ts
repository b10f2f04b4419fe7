import assert from 'node:assert/strict'
import test from 'node:test'
import { fetchSecrets } from '../../../src/xds/fetch.ts'
import { SECRET_TYPE_URL } from '../../../src/xds/resource.ts'
import { contextOf, viewOf } from './view.ts'

const ask = (names: readonly string[], typeUrl = SECRET_TYPE_URL) => ({
  names,
  typeUrl,
  versionInfo: '',
  responseNonce: '',
})
const context = contextOf(viewOf({ a: 'v1', b: 'v2', c: 'pending', d: 'v4' }, ['v4']), 3)
const names = (asked: readonly string[]) =>
  fetchSecrets(ask(asked), context).resources.map(({ name }) => name)

test('fetchSecrets gives those of the names that the caller has, each once', () => {
  assert.deepEqual(names(['a', 'x', 'a']), ['a'])
  assert.deepEqual(names(['c', 'd', 'b']), ['b'])
})

test('fetchSecrets gives everything for no names, less what is quarantined', () => {
  for (const asked of [[], [''], ['*']]) assert.deepEqual(names(asked), ['a', 'b'])
})

test('fetchSecrets refuses names of which the caller has none, another type, and too many names', () => {
  assert.throws(() => names(['x', 'c', 'd']), { code: 'not_found' })
  assert.throws(() => fetchSecrets(ask(['a'], 'other'), context), { code: 'request_invalid' })
  assert.throws(() => names(['a', 'b', 'c', 'd']), { code: 'limit_reached' })
})
