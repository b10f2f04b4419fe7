import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { parse } from 'yaml'
import {
  RotateAuthorityResponseSchema,
  SlotSchema,
} from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import { fromNow, instant, record, render, renderPlain, table } from '../../../src/cli/output.ts'

test('table() makes columns as wide as their widest cell, and shows an empty one as a dash', () => {
  const text = table(
    ['NAME', 'HOW MANY', 'WHERE'],
    [
      ['a longer name', 1, 'x'],
      ['', undefined, 'here'],
      [false, 0, ''],
    ],
  )
  const lines = [
    'NAME           HOW MANY  WHERE',
    'a longer name  1         x',
    '-              -         here',
    'false          0         -',
  ]
  assert.equal(text, `${lines.join('\n')}\n`)
})

test('table() of nothing is its head', () => {
  assert.equal(table(['ONE', 'TWO'], []), 'ONE  TWO\n')
})

test('record() aligns values behind the longest name', () => {
  const text = record([
    ['pid', 7],
    ['trust domain', 'example.org'],
    ['http', ''],
  ])
  assert.equal(text, 'pid           7\ntrust domain  example.org\nhttp          -\n')
})

test('render() prints a message as its proto3 JSON, with fields that are empty, and YAML says the same', () => {
  const value = create(RotateAuthorityResponseSchema, { activeAuthorityId: 'ab', holding: 2 })
  const message = { schema: RotateAuthorityResponseSchema, value }
  const counts = { acknowledged: 0, holding: 2, renewed: 0 }
  const fields = { activeAuthorityId: 'ab', ...counts, preparedAuthorityId: '' }
  assert.equal(render('json', message, assert.fail), `${JSON.stringify(fields, null, 2)}\n`)
  assert.deepEqual(parse(render('yaml', message, assert.fail)), fields)
  assert.equal(
    render('table', message, () => 'a table\n'),
    'a table\n',
  )
})

test('render() prints instants as RFC 3339', () => {
  const notAfter = timestampFromMs(Date.UTC(2030, 0, 2, 3, 4, 5))
  const value = create(SlotSchema, { status: 'active', notAfter })
  const json = JSON.parse(render('json', { schema: SlotSchema, value }, assert.fail)) as object
  assert.deepEqual('notAfter' in json && json.notAfter, '2030-01-02T03:04:05Z')
})

test('renderPlain() ends with a line break in both formats', () => {
  assert.equal(renderPlain('json', []), '[]\n')
  assert.equal(renderPlain('yaml', ['a']), '- a\n')
})

test('instant() is to the second, in UTC, and nothing for what is not set', () => {
  assert.equal(instant(timestampFromMs(Date.UTC(2030, 0, 2, 3, 4, 5, 678))), '2030-01-02T03:04:05Z')
  assert.equal(instant(undefined), undefined)
})

test('fromNow() names the two greatest units, and which way', () => {
  const now = Date.UTC(2030, 0, 1)
  const at = (seconds: number): string | undefined =>
    fromNow(timestampFromMs(now + seconds * 1000), now)
  const [minute, hour, day] = [60, 3_600, 86_400]
  assert.equal(at(0), 'in 0s')
  assert.equal(at(59), 'in 59s')
  assert.equal(at(59 * minute + 12), 'in 59m 12s')
  assert.equal(at(hour), 'in 1h')
  assert.equal(at(hour + 5), 'in 1h')
  assert.equal(at(3 * day + 4 * hour + 5 * minute), 'in 3d 4h')
  assert.equal(at(3 * day + 5 * minute), 'in 3d')
  assert.equal(at(-12), '12s ago')
  assert.equal(fromNow(undefined, now), undefined)
})
