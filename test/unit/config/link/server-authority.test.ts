import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAgentConfig } from '../../../../src/config/agent-config.ts'
import { faultsOf, onlyFault, read } from '../faults-of.ts'

const attest = 'attest: { kind: join-token, tokenFile: token }'

function agent(keys: string, more = ''): string {
  return `trustDomain: example.org\nauthority: { kind: server, ${keys} }\n${more}`
}

test('readAgentConfig() resolves an authority of a server, with each way to trust it', () => {
  const { config, warnings } = read(
    agent(`address: "server.example.org:8081", trustBundleFile: bundle.pem, ${attest}`),
  )
  assert.deepEqual(warnings, [])
  assert.equal(config.entries, undefined)
  assert.deepEqual(config.authority, {
    kind: 'server',
    address: { host: 'server.example.org', port: 8081 },
    trust: { kind: 'file', file: '/etc/spindle/bundle.pem' },
    attest: { kind: 'join-token', tokenFile: '/etc/spindle/token' },
    cache: 'run',
  })
  const trustOf = (trust: string) => {
    const { authority } = read(agent(`address: "[::1]:1", ${trust}, ${attest}, cache: off`)).config
    assert.ok(authority.kind === 'server')
    assert.deepEqual([authority.address, authority.cache], [{ host: '::1', port: 1 }, 'off'])
    return authority.trust
  }
  const url = 'https://b.example.org/x'
  assert.deepEqual(trustOf(`trustBundleUrl: "${url}"`), { kind: 'url', url })
  assert.deepEqual(trustOf('insecure: true'), { kind: 'insecure' })
})

test('readAgentConfig() resolves each way a node attests', () => {
  const attestOf = (text: string) => {
    const { authority } = read(agent(`address: "h:1", insecure: true, attest: ${text}`)).config
    assert.ok(authority.kind === 'server')
    return authority.attest
  }
  assert.deepEqual(attestOf('{ kind: x509pop, certFile: c.pem, keyFile: /k.pem }'), {
    kind: 'x509pop',
    certFile: '/etc/spindle/c.pem',
    keyFile: '/k.pem',
    intermediatesFile: undefined,
  })
  assert.deepEqual(attestOf('{ kind: http-challenge, hostname: n1.example.org, port: 80 }'), {
    kind: 'http-challenge',
    hostname: 'n1.example.org',
    agentName: 'default',
    port: 80,
    advertisedPort: undefined,
  })
})

test('readAgentConfig() warns of trust that nothing is behind, and of a token in the config file, which it never says', () => {
  const { warnings } = read(
    agent('address: "h:1", insecure: true, attest: { kind: join-token, token: s3cret-token }'),
  )
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ['authority.insecure', 'authority.attest.token'],
  )
  assert.doesNotMatch(JSON.stringify(warnings), /s3cret/)
})

test('readAgentConfig() wants exactly one way to trust the server and one place of a token', () => {
  assert.match(onlyFault(agent(`address: "h:1", ${attest}`), 'authority'), /has none of trustB/)
  const two = `address: "h:1", trustBundleFile: b, insecure: true, ${attest}`
  assert.match(onlyFault(agent(two), 'authority.insecure'), /stands beside trustBundleFile/)
  const tokens = 'attest: { kind: join-token, token: t, tokenFile: f }'
  assert.match(
    onlyFault(agent(`address: "h:1", insecure: true, ${tokens}`), 'authority.attest.token'),
    /stands beside tokenFile/,
  )
  assert.match(
    onlyFault(
      agent('address: "h:1", insecure: true, attest: { kind: join-token }'),
      'authority.attest',
    ),
    /has none of tokenFile, token/,
  )
  assert.match(
    onlyFault(agent(`address: "h:1", insecure: false, ${attest}`), 'authority.insecure'),
    /is false; allowed: true, or left out/,
  )
})

test('readAgentConfig() refuses with a server what the server says, and keys of other kinds', () => {
  const server = `address: "h:1", insecure: true, ${attest}`
  const refused = (more: string) => faultsOf(agent(server, more)).map(({ path }) => path)
  assert.deepEqual(refused('entries: { file: e.yaml }\n'), ['entries'])
  assert.deepEqual(refused('bundles: { partner.test: { file: b } }\n'), ['bundles'])
  assert.match(
    onlyFault(agent(`${server}, caTtl: 1h`), 'authority.caTtl'),
    /belongs to kind embedded, and kind here is server/,
  )
  assert.match(
    onlyFault(
      agent(
        'address: "h:1", insecure: true, attest: { kind: x509pop, certFile: c, keyFile: k, token: t }',
      ),
      'authority.attest.token',
    ),
    /belongs to kind join-token, and kind here is x509pop/,
  )
})

test('readAgentConfig() takes host names and IP addresses with a port, and nothing else, as address', () => {
  for (const good of ['h:1', 'a.b-c.d:65535', '10.0.0.1:8081', '[fe80::1]:8081', 'node_1:8081'])
    assert.deepEqual(faultsOf(agent(`address: "${good}", insecure: true, ${attest}`)), [], good)
  for (const bad of [
    'h',
    'h:0',
    'h:65536',
    ':1',
    '::1:1',
    '[h]:1',
    'http://h:1',
    'a b:1',
    'a..b:1',
  ])
    assert.match(
      onlyFault(agent(`address: "${bad}", insecure: true, ${attest}`), 'authority.address'),
      /allowed: a host name or IP address and a port/,
      bad,
    )
})

test('readAgentConfig() takes bundle addresses of https alone', () => {
  for (const bad of ['http://h/b', 'h/b', 'file:///b'])
    assert.match(
      onlyFault(
        agent(`address: "h:1", trustBundleUrl: "${bad}", ${attest}`),
        'authority.trustBundleUrl',
      ),
      /allowed: an https:\/\/ URL/,
    )
})

test('examples/fleet/agent.yaml has no fault and no warning', () => {
  const file = join(import.meta.dirname, '../../../../examples/fleet/agent.yaml')
  assert.deepEqual(readAgentConfig(readFileSync(file, 'utf8'), { file }).warnings, [])
})

test("readAgentConfig() warns of lives that are the server's to say", () => {
  const server = `address: "h:1", trustBundleFile: b, ${attest}`
  const { warnings } = read(agent(server, 'svid: { ttl: 2h, jwtTtl: 1m, keyType: ec-p384 }\n'))
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ['svid.ttl', 'svid.jwtTtl'],
  )
})
