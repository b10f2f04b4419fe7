import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../../../../src/config/fault.ts'
import type { NodeAttestorsConfig } from '../../../../src/config/server/node-attestors.ts'
import { readServerConfig } from '../../../../src/config/server/server-config.ts'

const read = (attestors: string): NodeAttestorsConfig =>
  readServerConfig(`trustDomain: example.org\nnodeAttestors: ${attestors}\n`, {
    file: '/etc/spindle/server.yaml',
  }).config.nodeAttestors

function faultsOf(attestors: string): readonly string[] {
  try {
    read(attestors)
    return []
  } catch (thrown) {
    assert.ok(thrown instanceof ConfigError, String(thrown))
    return thrown.faults.map(({ path, message }) => `${path}: ${message}`)
  }
}

test('x509pop takes its CAs from one file or several, or the own bundle', () => {
  assert.deepEqual(read('{ x509pop: { caBundleFiles: [a.pem, /b.pem] } }').x509pop?.caBundleFiles, [
    '/etc/spindle/a.pem',
    '/b.pem',
  ])
  const spiffe = read('{ x509pop: { mode: spiffe } }').x509pop
  assert.deepEqual(spiffe?.caBundleFiles, [])
  assert.equal(spiffe.svidPrefix, '/spire-exchange/')
  assert.equal(spiffe.agentPathTemplate, '/{{ .PluginName }}/{{ .SVIDPathTrimmed }}')
  assert.equal(read("{ x509pop: { mode: spiffe, svidPrefix: '' } }").x509pop?.svidPrefix, '/')
  assert.equal(read('{ x509pop: { mode: spiffe, svidPrefix: /a/ } }').x509pop?.svidPrefix, '/a/')
})

test('httpChallenge has the defaults of SPIRE', () => {
  assert.deepEqual(read('{ httpChallenge: {} }').httpChallenge, {
    allowedDnsPatterns: [],
    requiredPort: undefined,
    allowNonRootPorts: true,
    tofu: true,
  })
})

const GOOD = [
  '{ httpChallenge: { tofu: false, requiredPort: 80 } }',
  '{ httpChallenge: { tofu: false, allowNonRootPorts: false } }',
  '{ httpChallenge: { requiredPort: 8080 } }',
  String.raw`{ httpChallenge: { allowedDnsPatterns: ['p[0-9]+\.example\.com'] } }`,
  "{ x509pop: { caBundleFile: a.pem, agentPathTemplate: '/cn/{{ .Subject.CommonName }}' } }",
]
for (const attestors of GOOD)
  test(`${attestors} is taken`, () => {
    assert.deepEqual(faultsOf(attestors), [])
  })

const BAD: readonly (readonly [attestors: string, ...faults: RegExp[]])[] = [
  ['{ x509pop: {} }', /^nodeAttestors\.x509pop\.caBundleFile: is missing/],
  ['{ x509pop: { caBundleFile: a, caBundleFiles: [b] } }', /x509pop\.caBundleFiles: are both set/],
  ['{ x509pop: { mode: spiffe, caBundleFile: a } }', /x509pop\.caBundleFile: is set/],
  ['{ x509pop: { caBundleFile: a, svidPrefix: /a } }', /x509pop\.svidPrefix: is set/],
  ['{ x509pop: { mode: pki } }', /x509pop\.mode/],
  ['{ x509pop: { mode: spiffe, svidPrefix: a b } }', /x509pop\.svidPrefix/],
  [
    "{ x509pop: { caBundleFile: a, agentPathTemplate: '/{{ .Nothing }}' } }",
    /x509pop\.agentPathTemplate: .*\.Nothing/,
  ],
  [
    "{ x509pop: { caBundleFile: a, agentPathTemplate: '/{{ .Fingerprint | upper }}' } }",
    /x509pop\.agentPathTemplate: .*plain fields/,
  ],
  ['{ x509pop: { caBundleFile: a, maxIntermediates: 99 } }', /x509pop\.maxIntermediates/],
  ['{ httpChallenge: { tofu: false } }', /httpChallenge\.tofu: is false/],
  ['{ httpChallenge: { tofu: false, requiredPort: 1024 } }', /httpChallenge\.tofu: is false/],
  [
    '{ httpChallenge: { allowNonRootPorts: false, requiredPort: 8080 } }',
    /httpChallenge\.requiredPort: is 8080/,
  ],
  ["{ httpChallenge: { allowedDnsPatterns: ['('] } }", /httpChallenge\.allowedDnsPatterns/],
]
for (const [attestors, ...faults] of BAD)
  test(`${attestors} is a fault`, () => {
    const found = faultsOf(attestors)
    assert.equal(found.length, faults.length, found.join('\n'))
    for (const [index, fault] of faults.entries()) assert.match(found[index]!, fault)
  })
