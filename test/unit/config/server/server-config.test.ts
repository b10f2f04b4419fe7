import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '../../../../src/config/fault.ts'
import type { Fault } from '../../../../src/config/fault.ts'
import { readServerConfig } from '../../../../src/config/server/server-config.ts'
import type { ServerConfig } from '../../../../src/config/server/server-config.ts'

const FILE = '/etc/spindle/server.yaml'
const LEAST = 'trustDomain: example.org\n'

function read(text: string): { config: ServerConfig; warnings: readonly Fault[] } {
  return readServerConfig(text, { file: FILE })
}

/** Each fault as `path: message`, without its place. */
function faultsOf(text: string): readonly string[] {
  try {
    read(text)
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.equal(error.code, 'config_invalid')
    return error.faults.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isFrozen)
}

test('readServerConfig() fills in every default and freezes what it gives', () => {
  const { config, warnings } = read(LEAST)
  assert.deepEqual(config, {
    trustDomain: 'example.org',
    listen: { host: '127.0.0.1', port: 8081 },
    admin: { socket: '/run/spindle-server/admin/server.sock' },
    admins: [],
    http: { host: '127.0.0.1', port: 9989 },
    stateDir: '/var/lib/spindle-server',
    store: { kind: 'sqlite', file: '/var/lib/spindle-server/registry.db' },
    authority: {
      kind: 'embedded',
      keyType: 'ec-p256',
      caTtlMs: 86_400_000,
      jwtKeyType: 'ec-p256',
    },
    svid: { ttlMs: 3_600_000, jwtTtlMs: 300_000, agentTtlMs: 3_600_000 },
    nodeAttestors: { joinToken: {}, x509pop: undefined, httpChallenge: undefined },
    pruneAgents: undefined,
    rateLimit: { attestation: true, signing: true },
    log: { level: 'info', format: 'json' },
  })
  assert.deepEqual(warnings, [])
  assert(isFrozen(config))
})

test('readServerConfig() resolves paths against the folder of the file, and takes every key', () => {
  const { config, warnings } = read(`
trustDomain: example.org
listen: '[::]:0'
admin: { socket: run/server.sock }
admins: ['spiffe://example.org/ops', 'spiffe://example.org/ci']
http: false
stateDir: ../state
authority: { kind: disk, certFile: ca.pem, keyFile: ca.key, caTtl: 72h, jwtKeyType: rsa-2048 }
svid: { ttl: 2h, jwtTtl: 1m, agentTtl: 12h }
nodeAttestors: { x509pop: { caBundleFile: nodes.pem } }
log: { level: debug, format: text }
`)
  assert.deepEqual(config, {
    trustDomain: 'example.org',
    listen: { host: '::', port: 0 },
    admin: { socket: '/etc/spindle/run/server.sock' },
    admins: ['spiffe://example.org/ops', 'spiffe://example.org/ci'],
    http: undefined,
    stateDir: '/etc/state',
    store: { kind: 'sqlite', file: '/etc/state/registry.db' },
    authority: {
      kind: 'disk',
      certFile: '/etc/spindle/ca.pem',
      keyFile: '/etc/spindle/ca.key',
      bundleFile: undefined,
      keyType: 'ec-p256',
      caTtlMs: 259_200_000,
      jwtKeyType: 'rsa-2048',
    },
    svid: { ttlMs: 7_200_000, jwtTtlMs: 60_000, agentTtlMs: 43_200_000 },
    nodeAttestors: {
      joinToken: undefined,
      x509pop: {
        mode: 'external-pki',
        caBundleFiles: ['/etc/spindle/nodes.pem'],
        svidPrefix: '/spire-exchange/',
        agentPathTemplate: '/{{ .PluginName }}/{{ .Fingerprint }}',
        maxIntermediates: 4,
        maxRsaBits: 8192,
        verifyClientIp: false,
      },
      httpChallenge: undefined,
    },
    pruneAgents: undefined,
    rateLimit: { attestation: true, signing: true },
    log: { level: 'debug', format: 'text' },
  })
  assert.deepEqual(warnings, [])
})

test('readServerConfig() tells every fault at once, each with its path, its line and what is allowed', () => {
  const text = `trustDomain: Example.org
listen: 8081
admins: [spiffe://example.org/ops, 7]
http: { listen: localhost:9989, page: true }
authority: { kind: embedded, certFile: ca.pem }
svid: { ttl: 5s, keyType: ec-p256 }
nodeAttestors: { joinToken: { ttl: 5m }, x509pop: {}, sshpop: {} }
entries: { file: entries.yaml }
`
  const faults = faultsOf(text)
  const paths = [
    'trustDomain',
    'listen',
    'admins[1]',
    'http.page',
    'authority.certFile',
    'svid.ttl',
    'svid.keyType',
    'nodeAttestors.joinToken.ttl',
    'nodeAttestors.x509pop.caBundleFile',
    'nodeAttestors.sshpop',
    'entries',
  ]
  assert.deepEqual(faults.map((fault) => fault.slice(0, fault.indexOf(': '))).sort(), paths.sort())
  for (const fault of faults)
    assert.match(fault, /allowed|is not a key|is not a trust domain|belongs to kind disk/, fault)
  assert.throws(() => read(text), /server\.yaml/)
  assert.match(faultsOf('listen: 127.0.0.1:8081\n').join(), /^trustDomain: is missing/)
})

test('readServerConfig() refuses keys that do not go together', () => {
  const cases: readonly (readonly [text: string, fault: RegExp])[] = [
    ['authority: { caTtl: 1h, kind: embedded }', /^authority\.caTtl: .*at least 2 × svid\.ttl/],
    ['svid: { agentTtl: 13h }', /^svid\.agentTtl: is 13h; .*which makes 12h$/],
    ['authority: { kind: disk }', /^authority: names no CA/],
    ['authority: { kind: disk, certFile: a.pem }', /^authority\.keyFile: is missing/],
    [`admin: { socket: /${'a'.repeat(107)} }`, /^admin\.socket: is 108 bytes once resolved/],
    ["admins: ['spiffe://other.org/ops']", /^admins\[0\]: .*workloads of example\.org$/],
    ["admins: ['spiffe://example.org']", /^admins\[0\]: .*workloads of example\.org$/],
    ["admins: ['spiffe://example.org/a', 'spiffe://example.org/a']", /^admins\[1\]: .*each once$/],
  ]
  for (const [text, fault] of cases) {
    const faults = faultsOf(`${LEAST}${text}\n`)
    assert.equal(faults.length, 1, `${text}: ${faults.join('\n')}`)
    assert.match(faults[0]!, fault)
  }
})

test('readServerConfig() warns of what is allowed and most likely not meant', () => {
  const cases: readonly (readonly [text: string, ...warnings: readonly RegExp[]])[] = [
    ['svid: { ttl: 30s }', /^svid\.ttl: is 30s: below 1m/],
    ['svid: { ttl: 1h, agentTtl: 5h }', /^svid\.agentTtl: is 5h: .* caTtl of 30h it is not/],
    ['nodeAttestors: {}', /^nodeAttestors: names none/],
    ['svid: { ttl: 4h }'],
  ]
  for (const [text, ...expected] of cases) {
    const { warnings } = read(`${LEAST}${text}\n`)
    const told = warnings.map(({ path, message }) => `${path}: ${message}`)
    assert.equal(told.length, expected.length, told.join('\n'))
    expected.forEach((warning, index) => assert.match(told[index]!, warning))
  }
})

test('examples/fleet holds configs of a server without a fault or a warning', () => {
  const folder = join(import.meta.dirname, '../../../../examples/fleet')
  const files = readdirSync(folder).filter((name) => /^server.*\.yaml$/.test(name))
  assert(files.length >= 2, 'no examples found')
  for (const name of files) {
    const file = join(folder, name)
    assert.deepEqual(readServerConfig(readFileSync(file, 'utf8'), { file }).warnings, [], name)
  }
})

test('readServerConfig() takes a PostgreSQL database by URL or by a file that holds one, and not by both or neither', () => {
  const ofFile = read(`${LEAST}store: { kind: postgres, urlFile: database-url }\n`)
  assert.deepEqual(ofFile.config.store, { kind: 'postgres', urlFile: '/etc/spindle/database-url' })
  const url = 'postgres://spindle@db.example.org/spindle'
  assert.deepEqual(read(`${LEAST}store: { kind: postgres, url: '${url}' }\n`).config.store, {
    kind: 'postgres',
    url,
  })
  for (const both of ['', `url: '${url}', urlFile: u`])
    assert.deepEqual(faultsOf(`${LEAST}store: { kind: postgres, ${both} }\n`), [
      'store: allowed: one of url and urlFile',
    ])
  assert.deepEqual(faultsOf(`${LEAST}store: { kind: sqlite, url: '${url}' }\n`).length, 1)
  assert.deepEqual(faultsOf(`${LEAST}store: { kind: postgres, url: 'mysql://x@y/z' }\n`), [
    'store.url: begins otherwise than postgres://',
  ])
  const { warnings } = read(`${LEAST}store: { kind: postgres, url: 'postgres://a:secret@b/c' }\n`)
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ['store.url'],
  )
  assert(!JSON.stringify(warnings).includes('secret'))
})

test('readServerConfig() forgets agents only where it is said, and not those that could attest once alone', () => {
  assert.equal(read(LEAST).config.pruneAgents, undefined)
  const { config } = read(`${LEAST}pruneAgents: { expiredFor: 30d }\n`)
  assert.deepEqual(config.pruneAgents, { expiredForMs: 30 * 86_400_000, once: false })
  assert.equal(faultsOf(`${LEAST}pruneAgents: { tofu: true }\n`).length, 1)
  assert.equal(faultsOf(`${LEAST}pruneAgents: { expiredFor: 1m }\n`).length, 1)
})
