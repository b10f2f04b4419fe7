import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nearest, pathText } from '../../../src/config/fault.ts'
import {
  durationText,
  listenAddress,
  parseDuration,
  parseSize,
  secretName,
} from '../../../src/config/scalars.ts'

test('parseDuration() reads a whole number and one unit, and nothing else', () => {
  const read = { '0s': 0, '30s': 30_000, '5m': 300_000, '1h': 3_600_000, '7d': 604_800_000 }
  for (const [text, ms] of Object.entries(read)) assert.equal(parseDuration(text), ms, text)
  for (const text of [
    '',
    '30',
    's',
    '-1s',
    '1.5h',
    '1h30m',
    '1H',
    ' 1h',
    '1h\n',
    '1 h',
    '01s',
    '1ms',
    '1e3s',
    '9999999999s',
  ])
    assert.equal(parseDuration(text), undefined, JSON.stringify(text))
})

test('durationText() reads back to the same number of seconds', () => {
  fc.assert(
    fc.property(fc.nat(900_000_000), (seconds) => {
      assert.equal(parseDuration(durationText(seconds * 1000)), seconds * 1000)
    }),
  )
  assert.equal(durationText(86_400_000), '1d')
  assert.equal(durationText(5_400_000), '90m')
})

test('parseSize() reads a whole number and a binary unit, and nothing else', () => {
  const read = { '512B': 512, '64KiB': 65_536, '256MiB': 268_435_456, '1GiB': 1_073_741_824 }
  for (const [text, bytes] of Object.entries(read)) assert.equal(parseSize(text), bytes, text)
  for (const text of ['', '1', '1MB', '1mib', '1.5MiB', '-1B', '1 MiB'])
    assert.equal(parseSize(text), undefined, text)
})

test('listenAddress() takes IP addresses and localhost with a port', () => {
  const schema = listenAddress()
  const read = {
    '127.0.0.1:9988': { host: '127.0.0.1', port: 9988 },
    '[::1]:0': { host: '::1', port: 0 },
    'localhost:65535': { host: 'localhost', port: 65_535 },
  }
  for (const [text, address] of Object.entries(read)) assert.deepEqual(schema.parse(text), address)
  for (const text of [
    '',
    ':9988',
    '127.0.0.1',
    '::1:9988',
    '[127.0.0.1]:1',
    'example.org:80',
    '127.0.0.1:65536',
    '127.0.0.1:',
    '[localhost]:1',
    '1.2.3:4',
  ])
    assert.equal(schema.safeParse(text).success, false, text)
})

test('secretName() takes what can be asked for by name and can be no SPIFFE ID', () => {
  for (const name of ['default', 'web cert', 'a*', 'x'.repeat(256)])
    assert.equal(secretName().safeParse(name).success, true, name)
  // '*' asks for all there are; a stream would never come to look it up.
  for (const name of ['', '*', 'spiffe://a', 'SPIFFE://a/b', 'é', 'a\nb', 'x'.repeat(257)])
    assert.equal(secretName().safeParse(name).success, false, name)
})

test('nearest() finds slips of a letter or two, and guesses no further', () => {
  const known = ['socket', 'stateDir', 'svid', 'trustDomain']
  assert.equal(nearest('sokcet', known), 'socket')
  assert.equal(nearest('statedir', known), 'stateDir')
  assert.equal(nearest('trustDomian', known), 'trustDomain')
  assert.equal(nearest('svids', known), 'svid')
  assert.equal(nearest('port', known), undefined)
  assert.equal(nearest('x'.repeat(100_000), known), undefined)
})

test('pathText() writes keys that are no words in brackets', () => {
  assert.equal(pathText(['bundles', 'partner.test', 'file']), 'bundles["partner.test"].file')
  assert.equal(pathText(['entries', 3, 'selectors', 0]), 'entries[3].selectors[0]')
  assert.equal(pathText([]), '')
})
