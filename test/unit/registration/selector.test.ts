import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageOf } from '../../../src/runtime/errors.ts'
import { parseSelector, selectorKind } from '../../../src/registration/selector.ts'

test('parseSelector takes type:value as it is written', () => {
  const longest = `unix:path:/${'a'.repeat(8192 - 11)}`
  const texts = [
    'unix:uid:1001',
    'unix:path:/opt/a b/ü',
    'k8s:pod-label:app:web',
    'x:y',
    'x::',
    longest,
  ]
  for (const text of texts) assert.equal(parseSelector(text), text)
})

test('parseSelector refuses a text that is no selector, and says why', () => {
  const faults: readonly (readonly [text: string, message: RegExp])[] = [
    ['', /has no ":"/],
    ['unix', /has no ":"/],
    [':uid:1', /no type/],
    ['unix:', /no value/],
    [' unix:uid:1', /space in its type/],
    ['un ix:uid:1', /space in its type/],
    ['unix:path:/a\n', /control character/],
    ['unix:path:/\u0000', /control character/],
    ['unix:path:/\u007f', /control character/],
    ['unix:path:/\u0085', /control character/],
    ['unix:path:/\ud800', /half a character/],
    [`unix:path:/${'a'.repeat(8192 - 10)}`, /longer than 8192 bytes/],
    [`unix:path:/${'é'.repeat(4096)}`, /longer than 8192 bytes/],
  ]
  for (const [text, message] of faults) {
    assert.throws(() => parseSelector(text), { code: 'selector_invalid', message })
  }
})

test('parseSelector keeps its message short', () => {
  assert.throws(
    () => parseSelector('a'.repeat(9000)),
    (error) => messageOf(error).length < 150,
  )
})

test('selectorKind is the first two parts, or the type where there are only two', () => {
  const kinds: readonly (readonly [text: string, kind: string])[] = [
    ['unix:uid:1001', 'unix:uid'],
    ['unix:path:/a:b', 'unix:path'],
    ['k8s:pod-label:app:web', 'k8s:pod-label'],
    ['spindle:web', 'spindle'],
    ['unix:uid:', 'unix:uid'],
    ['x::y', 'x:'],
  ]
  for (const [text, kind] of kinds) assert.equal(selectorKind(parseSelector(text)), kind)
})
