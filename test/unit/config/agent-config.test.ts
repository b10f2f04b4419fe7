import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAgentConfig } from '../../../src/config/agent-config.ts'
import { ConfigError } from '../../../src/config/fault.ts'
import { LEAST, faultsOf, onlyFault, read } from './faults-of.ts'

test('readAgentConfig() fills in every default of a config that says the least', () => {
  const { config, warnings } = read(LEAST)
  assert.deepEqual(warnings, [])
  assert.deepEqual(JSON.parse(JSON.stringify(config)), {
    trustDomain: 'example.org',
    socket: '/run/spindle/agent.sock',
    admin: { socket: '/run/spindle/admin/admin.sock', allow: [] },
    http: { host: '127.0.0.1', port: 9988, page: true },
    stateDir: '/var/lib/spindle',
    authority: {
      kind: 'embedded',
      keyType: 'ec-p256',
      caTtlMs: 86_400_000,
      jwtKeyType: 'ec-p256',
    },
    svid: { ttlMs: 3_600_000, keyType: 'ec-p256', jwtTtlMs: 300_000 },
    entries: { file: '/etc/spindle/entries.yaml' },
    bundles: {},
    attestors: { unix: { path: true, sha256: true, sha256MaxBytes: 268_435_456 } },
    attestation: { pidfd: 'required', periodMs: 60_000 },
    sds: {
      names: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
      aliases: {},
      unauthorized: 'wait',
      validator: 'spiffe',
      ackDeadlineMs: 10_000,
      requireSecurityHeader: false,
    },
    workload: { unregisteredBundles: false, foreignJwtClaims: [] },
    limits: { streamsPerConnection: 4096, namesPerStream: 256 },
    log: { level: 'info', format: 'json' },
  })
})

test('readAgentConfig() resolves every path against the folder of the file', () => {
  const { config } = read(`trustDomain: example.org
socket: run/agent.sock
admin: { socket: ../admin/admin.sock }
stateDir: state
entries: { file: ./e.yaml }
bundles: { partner.test: { file: partner.json } }
authority: { kind: disk, certFile: ca.pem, keyFile: /secret/ca.key, bundleFile: roots.pem }
`)
  assert.equal(config.socket, '/etc/spindle/run/agent.sock')
  assert.equal(config.admin.socket, '/etc/admin/admin.sock')
  assert.equal(config.stateDir, '/etc/spindle/state')
  assert.equal(config.entries?.file, '/etc/spindle/e.yaml')
  assert.deepEqual(Object.entries(config.bundles), [
    ['partner.test', { file: '/etc/spindle/partner.json' }],
  ])
  assert.deepEqual(config.authority, {
    kind: 'disk',
    keyType: 'ec-p256',
    caTtlMs: 86_400_000,
    jwtKeyType: 'ec-p256',
    certFile: '/etc/spindle/ca.pem',
    keyFile: '/secret/ca.key',
    bundleFile: '/etc/spindle/roots.pem',
  })
})

test('readAgentConfig() freezes the result throughout', () => {
  const { config } = read(`${LEAST}admin: { allow: [1] }\n`)
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(frozen))
  assert.ok(frozen(config))
  assert.equal('constructor' in config.sds.aliases, false)
})

test('readAgentConfig() switches http off by false', () => {
  assert.equal(read(`${LEAST}http: false\n`).config.http, undefined)
  assert.deepEqual(read(`${LEAST}http: { listen: "[::1]:0" }\n`).config.http, {
    host: '::1',
    port: 0,
    page: true,
  })
  assert.match(onlyFault(`${LEAST}http: true\n`, 'http'), /is true; allowed: false, or a mapping/)
})

test('readAgentConfig() serves the page on loopback, and elsewhere only where it is asked to', () => {
  const pageOf = (http: string) => read(`${LEAST}http: { ${http} }\n`).config.http?.page
  for (const here of ['127.0.0.1:1', '127.8.8.8:1', '[::1]:1', 'localhost:1'])
    assert.deepEqual(
      [pageOf(`listen: "${here}"`), pageOf(`listen: "${here}", page: false`)],
      [true, false],
      here,
    )
  for (const beyond of ['0.0.0.0:1', '[::]:1', '10.0.0.1:1', '128.0.0.1:1', '[::2]:1'])
    assert.deepEqual(
      [pageOf(`listen: "${beyond}"`), pageOf(`listen: "${beyond}", page: true`)],
      [false, true],
      beyond,
    )
})

test('readAgentConfig() tells every fault at once, each with its path and place', () => {
  const faults = faultsOf(`trustDomain: Example.org
socket: run/a.sock
admin: { socket: run/b.sock, allow: [-1] }
svid: { ttl: 90m, keyType: rsa-4096 }
authority: { kind: embedded, caTtl: 2h, certFile: ca.pem }
http: { listen: nowhere }
sds: { ackDeadline: 10, aliases: { ALL: "spiffe://example.org/a", b: not-an-id } }
attestors: { unix: { sha256MaxBytes: 5MB } }
limits: { namesPerStream: 0 }
log: { levle: info }
`)
  assert.deepEqual(
    faults.map(({ path, line }) => [path, line]),
    [
      ['entries', undefined],
      ['trustDomain', 1],
      ['admin.socket', 3],
      ['admin.allow[0]', 3],
      ['svid.keyType', 4],
      ['authority.caTtl', 5],
      ['authority.certFile', 5],
      ['http.listen', 6],
      ['sds.ackDeadline', 7],
      ['sds.aliases.ALL', 7],
      ['sds.aliases.b', 7],
      ['attestors.unix.sha256MaxBytes', 8],
      ['limits.namesPerStream', 9],
      ['log.levle', 10],
    ],
  )
  for (const { path, message } of faults)
    assert.match(message, /allowed|belongs to|not a|equals/, `${path}: ${message}`)
})

test('readAgentConfig() says what a value is and what is allowed', () => {
  assert.equal(
    onlyFault(`${LEAST}log: { level: loud }\n`, 'log.level'),
    'is "loud"; allowed: trace, debug, info, warn or error',
  )
  assert.equal(
    onlyFault(`${LEAST}svid: { ttl: 9s }\n`, 'svid.ttl'),
    'is "9s"; allowed: a whole number and a unit (30s, 5m, 1h, 7d), from 10s to 1825d',
  )
  assert.equal(
    onlyFault(`${LEAST}authority: { kind: vault }\n`, 'authority.kind'),
    'is "vault"; allowed: embedded, disk or server',
  )
  assert.equal(
    onlyFault('trustDomain: example.org\nentries: {}\n', 'entries.file').slice(0, 10),
    'is missing',
  )
})

test('readAgentConfig() takes the CA of the operator in exactly one of its two forms', () => {
  const disk = (keys: string): string => `${LEAST}authority: { kind: disk, ${keys} }\n`
  const { authority } = readAgentConfig(disk('pkcs12File: ca.p12, passwordFile: /p'), {
    file: '/etc/spindle/agent.yaml',
  }).config
  assert.deepEqual(authority, {
    kind: 'disk',
    keyType: 'ec-p256',
    caTtlMs: 86_400_000,
    jwtKeyType: 'ec-p256',
    pkcs12File: '/etc/spindle/ca.p12',
    passwordFile: '/p',
    bundleFile: undefined,
  })
  const forms = 'certFile and keyFile, or pkcs12File and passwordFile'
  const messages = (keys: string): readonly string[] =>
    faultsOf(disk(keys)).map(({ path, message }) => `${path}: ${message}`)
  assert.deepEqual(messages('bundleFile: b'), [`authority: names no CA; allowed: ${forms}`])
  assert.deepEqual(messages('certFile: c'), [`authority.keyFile: is missing; allowed: ${forms}`])
  assert.deepEqual(messages('passwordFile: p'), [
    `authority.pkcs12File: is missing; allowed: ${forms}`,
  ])
  assert.deepEqual(messages('certFile: c, keyFile: k, pkcs12File: p'), [
    `authority.pkcs12File: stands beside certFile and keyFile; allowed: ${forms}`,
  ])
})

test('readAgentConfig() says which kind a key belongs to', () => {
  assert.equal(
    onlyFault(`${LEAST}authority: { kind: embedded, keyFile: k }\n`, 'authority.keyFile'),
    'belongs to kind disk, and kind here is embedded',
  )
  const needs = faultsOf(`${LEAST}authority: { kind: disk }\n`)
  assert.deepEqual(
    needs.map(({ path }) => path),
    ['authority'],
  )
})

test('readAgentConfig() suggests the key that was most likely meant', () => {
  assert.match(onlyFault(`${LEAST}sokcet: a\n`, 'sokcet'), /did you mean socket\?/)
  assert.match(
    onlyFault(`${LEAST}sds: { valdator: spiffe }\n`, 'sds.valdator'),
    /did you mean validator\?/,
  )
  assert.doesNotMatch(onlyFault(`${LEAST}zzz: a\n`, 'zzz'), /did you mean/)
})

test('readAgentConfig() refuses YAML that can be read in two ways or expands without end', () => {
  assert.match(onlyFault('a: 1\na: 2\n', ''), /stands twice/)
  assert.match(onlyFault(`${LEAST}---\na: 1\n`, ''), /one document is allowed/)
  assert.match(onlyFault(`${LEAST}socket: !!js/function x\n`, ''), /Unresolved tag/)
  assert.match(onlyFault(`${LEAST}__proto__: { socket: /x }\n`, ''), /__proto__/)
  const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 10; i++)
    bomb.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    )
  assert.match(onlyFault(bomb.join('\n'), ''), /aliases that expand too far/)
})

test('readAgentConfig() takes any value anywhere without failing on it', () => {
  const values = [
    '',
    '3',
    '[]',
    '{}',
    'text',
    'true',
    '[[{a: 1}]]',
    '{kind: 3}',
    '{names: 3, aliases: x}',
  ]
  const keys = Object.keys(read(LEAST).config)
  for (const value of values) {
    faultsOf(value)
    for (const key of keys) faultsOf(`${key}: ${value}\n`)
  }
  assert.match(onlyFault('', ''), /is empty; allowed: a mapping/)
})

test('readAgentConfig() repeats no pasted key in its faults', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' })).trim()
  // Without + and / it could pass for a key of the config.
  const der = privateKey.export({ type: 'pkcs8', format: 'der' })
  const bare = der.toString('base64').replaceAll(/[+/]/g, 'x')
  const secret = new RegExp(
    `${bare.slice(48, 60)}|${pem.slice(76, 88).replaceAll('+', '\\+')}|BEGIN`,
  )
  for (const key of [
    'trustDomain',
    'socket',
    'entries',
    'log',
    `bundles: { a.test: { file: f } }\nsds`,
  ])
    for (const value of [JSON.stringify(pem), JSON.stringify(bare), pem, bare])
      for (const text of [
        `${key}: ${value}\n`,
        `${key}: { ${value}: ${value} }\n`,
        `${value}: 1\n`,
      ])
        assert.doesNotMatch(JSON.stringify(faultsOf(text)), secret, text)
})

test('ConfigError lists its faults, at most a hundred of them', () => {
  const many = Array.from({ length: 150 }, (_, i) => ({ path: `a[${i}]`, message: 'is wrong' }))
  const error = new ConfigError('a.yaml', many)
  assert.match(error.message, /^a\.yaml: 150 faults\n {2}a\[0\]: is wrong\n/)
  assert.match(error.message, /\n {2}and 50 more$/)
  assert.equal(error.faults.length, 150)
})

test('examples/ holds configs without a fault or a warning', () => {
  const folder = join(import.meta.dirname, '../../../examples')
  const configs = readdirSync(folder).filter((name) =>
    /^(?:standalone|federated).*\.yaml$/.test(name),
  )
  assert.ok(configs.length >= 3)
  for (const name of configs) {
    const file = join(folder, name)
    assert.deepEqual(readAgentConfig(readFileSync(file, 'utf8'), { file }).warnings, [], name)
  }
})
