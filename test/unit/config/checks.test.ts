import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LEAST, faultsOf, onlyFault, read } from './faults-of.ts'

test('crossFaults() checks caTtl against svid.ttl, defaults included', () => {
  assert.match(
    onlyFault(`${LEAST}svid: { ttl: 13h }\n`, 'authority.caTtl'),
    /at least 2 × svid\.ttl/,
  )
  assert.deepEqual(faultsOf(`${LEAST}svid: { ttl: 12h }\n`), [])
})

test('crossFaults() keeps the two sockets in folders of their own and within sun_path', () => {
  assert.match(
    onlyFault(`${LEAST}admin: { socket: /run/spindle/b.sock }\n`, 'admin.socket'),
    /same folder as socket/,
  )
  const long = (bytes: number): string => `/${'é'.repeat((bytes - 3) / 2)}/s`
  assert.deepEqual(faultsOf(`${LEAST}socket: ${long(107)}\n`), [])
  assert.match(onlyFault(`${LEAST}socket: ${long(109)}\n`, 'socket'), /is 109 bytes/)
})

test('crossFaults() keeps reserved names distinct and aliases apart from them', () => {
  assert.match(
    onlyFault(`${LEAST}sds: { names: { svid: ROOTCA } }\n`, 'sds.names.bundle'),
    /as sds\.names\.svid is/,
  )
  const alias = (name: string): string =>
    `${LEAST}sds: { aliases: { "${name}": "spiffe://example.org/a" } }\n`
  assert.match(onlyFault(alias('default'), 'sds.aliases.default'), /equals sds\.names\.svid/)
  assert.match(
    onlyFault(alias('spiffe://x'), 'sds.aliases["spiffe://x"]'),
    /do not begin with spiffe/,
  )
  assert.deepEqual(faultsOf(alias('web-cert')), [])
  // A reserved name that was renamed is free again.
  assert.deepEqual(
    faultsOf(
      `${LEAST}sds: { names: { svid: mine }, aliases: { default: "spiffe://example.org/a" } }\n`,
    ),
    [],
  )
})

test('crossFaults() refuses the own trust domain among bundles, and names that are none', () => {
  assert.match(
    onlyFault(`${LEAST}bundles: { example.org: { file: a } }\n`, 'bundles["example.org"]'),
    /own trust domain/,
  )
  assert.match(
    onlyFault(`${LEAST}bundles: { "Bad Name": { file: a } }\n`, 'bundles["Bad Name"]'),
    /not a trust domain/,
  )
})

test('agentWarnings() warns of what is allowed and most likely not meant', () => {
  const { warnings } = read(`${LEAST}svid: { ttl: 30s }
sds: { aliases: { a: "spiffe://other.test/web", b: "spiffe://other.test", c: "spiffe://example.org" } }
`)
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ['svid.ttl', 'sds.aliases.a', 'sds.aliases.b'],
  )
})
