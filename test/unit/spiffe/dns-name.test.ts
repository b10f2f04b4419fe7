import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dnsNameFault } from '../../../src/spiffe/dns-name.ts'

const label63 = 'a'.repeat(63)

test('dnsNameFault finds none in host names, wildcards and the longest name', () => {
  const longest = `${label63}.${label63}.${label63}.${'a'.repeat(61)}`
  assert.equal(longest.length, 253)
  const names = [
    'web',
    'web.example.org',
    'WEB.example.org',
    '*.example.org',
    'xn--bcher-kva.example',
    'my_service.internal',
    '_a.example',
  ]
  for (const name of [...names, '1.2', 'a-b', longest, label63]) {
    assert.equal(dnsNameFault(name), undefined, name)
  }
})

test('dnsNameFault says what is wrong with a name', () => {
  const faults: readonly (readonly [name: string, fault: RegExp])[] = [
    ['', /empty/],
    [`${label63}.${label63}.${label63}.${'a'.repeat(62)}`, /longer than 253/],
    [`${label63}a.example`, /label longer than 63/],
    ['example.org.', /ends with a dot/],
    ['.example.org', /empty label/],
    ['a..b', /empty label/],
    ['-a.example', /begins or ends with -/],
    ['a-.example', /begins or ends with -/],
    ['a b', /other than/],
    ['bücher.example', /other than/],
    ['a.example\n', /other than/],
    ['a\u0000.example', /other than/],
    ['*', /\*/],
    ['*.', /ends with a dot/],
    ['a.*.example', /\*/],
    ['*.*.example', /\*/],
    ['w*.example', /\*/],
  ]
  for (const [name, fault] of faults) assert.match(dnsNameFault(name) ?? 'none', fault, name)
})
