import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { CHECKS } from '../../../../src/bootstrap/check/finding.ts'
import type { AgentFacts, Check } from '../../../../src/bootstrap/check/finding.ts'
import { checkBootstrap } from '../../../../src/bootstrap/check/findings.ts'
import { CLUSTER_FAULTS } from './planted/cluster.ts'
import { CONTEXTS } from './planted/contexts.ts'
import type { Json } from './planted/fault.ts'
import { CERTIFICATE, CLUSTER, put } from './planted/fault.ts'
import { NAMES } from './planted/names.ts'
import { SOURCES } from './planted/sources.ts'

const FOLDER = join(import.meta.dirname, '../../../../envoy')
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))
const AGENT: AgentFacts = {
  socket: '/run/spindle/agent.sock',
  names: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
  otherNames: new Set(['web-cert']),
  validator: 'spiffe',
}

const read = (name = 'sidecar-delta.yaml'): Json => parse(readFileSync(join(FOLDER, name), 'utf8'))

for (const name of FILES)
  test(`checkBootstrap finds nothing in envoy/${name}`, () => {
    const { findings, sockets, notSeen } = checkBootstrap(read(name), AGENT)
    assert.deepEqual(findings, [])
    assert.deepEqual(sockets, ['/run/spindle/agent.sock'])
    assert.deepEqual(notSeen, [])
  })

/** Every key of Envoy's own in camelCase, as Envoy reads it too. */
function inCamelCase(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(inCamelCase)
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [
      /^[a-z][a-z0-9_]*$/.test(key)
        ? key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
        : key,
      inCamelCase(child),
    ]),
  )
}

test('checkBootstrap reads camelCase as Envoy does, and tells the path as it is written', () => {
  const config = inCamelCase(read())
  assert.deepEqual(checkBootstrap(config, AGENT).findings, [])
  config.staticResources.clusters[2].circuitBreakers.thresholds[0].maxRequests = 3
  assert.deepEqual(
    checkBootstrap(config, AGENT).findings.map(({ path }) => path),
    ['staticResources.clusters[2].circuitBreakers.thresholds[0].maxRequests'],
  )
})

const FAULTS = [...SOURCES, ...CLUSTER_FAULTS, ...CONTEXTS, ...NAMES]

for (const { what, check, level, path, value, plant, agent, file, says } of FAULTS)
  test(`checkBootstrap finds ${what}, and nothing else`, () => {
    // Anchors are shared objects: each place is to be changed by itself where the fault says so.
    const config = plant === undefined ? structuredClone(read(file)) : read(file)
    if (plant === undefined) put(config, path, value)
    else plant(config)
    const { findings } = checkBootstrap(config, { ...AGENT, ...agent })
    assert.deepEqual(
      findings.map((each) => [each.check, each.level, each.path]),
      [[check, level, path]],
    )
    assert.match(findings[0]?.reason ?? '', says)
    assert.notEqual(findings[0]?.fix, '')
  })

test('every check of checkBootstrap but that for secrets has a planted fault', () => {
  const planted = new Set(FAULTS.map(({ check }) => check))
  assert.deepEqual(
    Object.keys(CHECKS).filter((check) => !planted.has(check as Check)),
    ['secrets'],
  )
})

test('checkBootstrap tells of a configuration without secrets, and of what it cannot see', () => {
  const { findings } = checkBootstrap({ static_resources: { clusters: [] } }, AGENT)
  assert.deepEqual(
    findings.map(({ check, level }) => [check, level]),
    [['secrets', 'fail']],
  )
  for (const odd of [undefined, null, 'x', [], { static_resources: [{ listeners: 'x' }] }])
    assert.equal(checkBootstrap(odd, AGENT).findings.length, 1)
  const dynamic = { dynamic_resources: { lds_config: { ads: {} }, cds_config: { ads: {} } } }
  const { notSeen, findings: none } = checkBootstrap(dynamic, AGENT)
  assert.deepEqual(notSeen, ['dynamic_resources.lds_config', 'dynamic_resources.cds_config'])
  assert.deepEqual(none, [], 'what comes from a control plane may well take secrets')
})

test('checkBootstrap leaves secrets of files and of other servers alone', () => {
  const config = read()
  const { clusters } = config.static_resources
  const istiod = { ...structuredClone(clusters[2]), name: 'istiod', circuit_breakers: {} }
  istiod.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address = {
    socket_address: { address: '10.0.0.1', port_value: 15_012 },
  }
  clusters.push(istiod)
  const common = clusters[1].transport_socket.typed_config.common_tls_context
  const source = structuredClone(common.tls_certificate_sds_secret_configs[0].sds_config)
  source.api_config_source.grpc_services[0].envoy_grpc = { cluster_name: 'istiod' }
  source.initial_fetch_timeout = '0s'
  common.tls_certificate_sds_secret_configs = [{ name: 'a.b', sds_config: source }]
  common.combined_validation_context.validation_context_sds_secret_config = {
    name: 'c.d',
    sds_config: { path_config_source: { path: '/x' } },
  }
  common.tls_params = {}
  assert.deepEqual(checkBootstrap(config, AGENT).findings, [])
})

test('checkBootstrap does not judge a socket or names it cannot know', () => {
  const config = read()
  const unknown = { ...AGENT, socket: undefined, otherNames: undefined }
  put(
    config,
    `${CLUSTER}.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.pipe.path`,
    '/x',
  )
  put(config, `${CERTIFICATE}.name`, 'whatever')
  const { findings, sockets } = checkBootstrap(config, unknown)
  assert.deepEqual(findings, [])
  assert.deepEqual(sockets, ['/x'])
})
