import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { codeOf, messageOf } from '../../src/runtime/errors.ts'
import { parseEndpoint } from '../../src/spiffe/endpoint.ts'

function faultOf(uri: string): string | undefined {
  try {
    parseEndpoint(uri)
    return undefined
  } catch (thrown) {
    assert.equal(codeOf(thrown), 'endpoint_invalid')
    return messageOf(thrown)
  }
}

test('T-WT-4 the endpoints that the standard allows are read', () => {
  const socket = { kind: 'unix', path: '/a.sock' }
  assert.deepEqual(parseEndpoint('unix:///a.sock'), socket)
  assert.deepEqual(parseEndpoint('unix:/a.sock'), socket)
  assert.deepEqual(parseEndpoint('tcp://127.0.0.1:8000'), {
    kind: 'tcp',
    address: '127.0.0.1',
    port: 8000,
  })
  assert.deepEqual(parseEndpoint('tcp://[::1]:80'), { kind: 'tcp', address: '::1', port: 80 })
})

test('T-WT-5 an endpoint that the standard does not allow is refused by what is wrong with it', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['unix:a.sock', /no absolute path/],
    ['unix://foo/a.sock', /has the host "foo"/],
    ['unix:///a.sock?x=1', /query/],
    ['tcp://127.0.0.1:8000/foo', /has a path/],
    ['tcp://127.0.0.1:8000/', /has a path/],
    ['tcp://localhost:80', /not an IP address/],
    ['tcp://127.0.0.1', /no port/],
    ['http://127.0.0.1:80', /scheme http/],
    ['/a.sock', /not a URI/],
  ]
  for (const [uri, fault] of refused) {
    assert.match(faultOf(uri) ?? 'accepted', fault, uri)
    assert.match(faultOf(uri) ?? '', /allowed: unix:\/\/\/path/)
  }
})

test('T-WT-5 a part that is there and empty is one too many', () => {
  for (const uri of ['unix:///a.sock?', 'unix:///a.sock#', 'tcp://127.0.0.1:80?', 'tcp://1.2.3.4:'])
    assert.notEqual(faultOf(uri), undefined, uri)
})

test('T-WT-5 what a URL parser or gRPC would repair is refused', () => {
  const uris = [
    '',
    'unix:',
    'unix://',
    'unix:///',
    'unix:///run/',
    ' unix:///a.sock',
    'unix:///a.sock\n',
    'unix:///a b.sock',
    'unix:///a%zz',
    'unix:///a%00.sock',
    'unix:///a%ff',
    'unix:///é.sock',
    'unix-abstract:a',
    'tcp:127.0.0.1:80',
    'tcp://me@127.0.0.1:80',
    'tcp://127.0.0.1:0',
    'tcp://127.0.0.1:65536',
    'tcp://127.0.0.1:+80',
    'tcp://127.1:80',
    'tcp://0177.0.0.1:80',
    'tcp://256.0.0.1:80',
    'tcp://::1:80',
    'tcp://[127.0.0.1]:80',
    'tcp://[::1%25lo]:80',
    'tcp://[1::2::3]:80',
    'tcp://[::1]80',
    'tcp://[::1]:80]',
  ]
  for (const uri of uris) assert.notEqual(faultOf(uri), undefined, JSON.stringify(uri))
})

test('T-WT-4 a scheme has no case, a path may be percent-encoded, and its first slashes are one', () => {
  assert.deepEqual(parseEndpoint('UNIX:/a%20b/c.sock'), { kind: 'unix', path: '/a b/c.sock' })
  assert.deepEqual(parseEndpoint('unix:////run//a.sock'), { kind: 'unix', path: '/run//a.sock' })
})

test('parseEndpoint() takes for an IP address what Node does, zones and octal octets excepted', () => {
  const group = fc.oneof(
    fc.nat(0xffff).map((value) => value.toString(16)),
    fc.constantFrom('', '0', 'g', '12345', '1.2.3.4', '256.1.1.1'),
  )
  const address = fc.oneof(
    fc.ipV6(),
    fc.ipV4(),
    fc.array(group, { maxLength: 9 }).map((groups) => groups.join(':')),
  )
  fc.assert(
    fc.property(address, (text) => {
      const kind = isIP(text)
      const uri = kind === 4 ? `tcp://${text}:1` : `tcp://[${text}]:1`
      assert.equal(faultOf(uri) === undefined, kind !== 0, text)
    }),
    { numRuns: 2_000 },
  )
})

test('parseEndpoint() answers any text with an endpoint or its own error, which is short', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      assert((faultOf(`unix:${text}`) ?? '').length < 1_500)
      faultOf(text)
    }),
  )
})
