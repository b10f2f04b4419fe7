import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { healthChecks } from '../../../src/agent/health.ts'
import type { LinkState } from '../../../src/agent/obtain/server/link.ts'
import type { Sources } from '../../../src/agent/sources.ts'
import { SecretDiscoveryService } from '../../../src/gen/envoy/service/secret/v3/sds_pb.js'
import type { Registry } from '../../../src/registration/match.ts'
import { createRegistry } from '../../../src/registration/match.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import type { ErrorCode } from '../../../src/runtime/errors.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { createFeed } from '../../../src/runtime/feed.ts'
import type { Probe } from '../../../src/telemetry/health.ts'
import { createHealth } from '../../../src/telemetry/health.ts'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { statusOf } from '../../../src/wire/status.ts'
import { createFakeAuthority, createFakeJwtAuthority, slotView } from '../../fakes/authority.ts'
import { temporaryFolder } from '../../fakes/folder.ts'
import { UP } from '../../fakes/server-link.ts'

/** Health of an agent whose socket answers `code`; undefined: nobody listens. */
async function healthOf(t: TestContext, code: ErrorCode | undefined) {
  const socket = join(temporaryFolder(t), 'agent.sock')
  if (code !== undefined) {
    const server = new Server()
    t.after(() => server.forceShutdown())
    server.addService(serviceDefinition(SecretDiscoveryService), {
      FetchSecrets: (_: unknown, done: (status: object) => void) =>
        done(statusOf(new SpindleError(code, 'as the test wants it'))),
    })
    const credentials = ServerCredentials.createInsecure()
    await promisify(server.bindAsync.bind(server))(`unix:${socket}`, credentials)
  }
  const authority = createFakeAuthority(systemClock)
  const jwtAuthority = createFakeJwtAuthority(systemClock)
  const faults: string[] = []
  const sources = {
    states: () => faults.map((fault) => ({ name: 'entries', file: 'f', loadedAt: 0, fault })),
  }
  const health = createHealth({
    clock: systemClock,
    deadlineMs: 2_000,
    checks: healthChecks({
      socket,
      authority,
      jwtAuthority,
      sources: sources as unknown as Sources,
      identities: { missing: () => 0, expired: () => 0 },
      server: undefined,
      clock: systemClock,
    }),
  })
  const ok = async (probe: Probe): Promise<boolean> => (await health[probe]()).ok
  return { health, authority, jwtAuthority, faults, ok }
}

test('an agent is live and ready where its own question is answered', async (t) => {
  for (const code of ['not_found', 'request_invalid'] as const) {
    const { ok } = await healthOf(t, code)
    assert.deepEqual([await ok('live'), await ok('ready')], [true, true], code)
  }
})

test('an agent that cannot attest itself is live, as starting it again would not help, and not ready', async (t) => {
  const { ok } = await healthOf(t, 'not_ready')
  assert.deepEqual([await ok('live'), await ok('ready')], [true, false])
})

test('an agent whose socket does not answer, or answers a fault, is neither', async (t) => {
  for (const code of [undefined, 'internal'] as const) {
    const { ok } = await healthOf(t, code)
    assert.deepEqual([await ok('live'), await ok('ready')], [false, false], code)
  }
})

test('an agent without a CA that signs is live and not ready; a file not in use is only said', async (t) => {
  const { ok, health, authority, faults } = await healthOf(t, 'not_found')
  faults.push('entries[0] is wrong')
  assert.equal(await ok('ready'), true)
  assert.match(JSON.stringify(await health.ready()), /entries: entries\[0\] is wrong/)
  authority.state.set({ anchors: [], slots: [slotView('a', { notAfter: 1 })], fault: 'disk full' })
  assert.equal(await ok('ready'), false)
  assert.match(JSON.stringify(await health.ready()), /disk full/)
  assert.equal(await ok('live'), true)
})

test('an agent without a key that signs JWT-SVIDs is live and not ready', async (t) => {
  const { ok, health, jwtAuthority } = await healthOf(t, 'not_found')
  jwtAuthority.state.set({ keys: [], slots: [slotView('a')], fault: 'it is not stored' })
  assert.equal(await ok('ready'), true)
  assert.match(JSON.stringify(await health.ready()), /it is not stored/)
  jwtAuthority.state.set({ keys: [], slots: [slotView('a', { notAfter: 1 })] })
  assert.equal(await ok('ready'), false)
  assert.match(JSON.stringify(await health.ready()), /no key for JWT-SVIDs is active/)
  assert.equal(await ok('live'), true)
})

test('an agent with a server is ready while it serves what is valid, and says what it has of the server', async () => {
  const state = createFeed<LinkState>({ ...UP, bootstrap: 'unverified' })
  const entries = createFeed<Registry | undefined>(undefined)
  let [missing, expired] = [0, 0]
  const checks = healthChecks({
    socket: '/nowhere',
    authority: createFakeAuthority(systemClock),
    jwtAuthority: createFakeJwtAuthority(systemClock),
    sources: { entries, states: () => [] } as unknown as Sources,
    identities: { missing: () => missing, expired: () => expired },
    server: { address: 'h:1', state, cache: undefined },
    clock: systemClock,
  })
  const run = async (name: string): Promise<string> => {
    const check = checks.find((one) => one.name === name && one.probes.includes('ready'))
    assert(check !== undefined, name)
    return check.run().then(
      (detail) => `ok ${detail}`,
      (thrown: unknown) => String(thrown),
    )
  }
  assert.equal(
    checks.some(({ name }) => name === 'authority'),
    false,
  )
  assert.equal(await run('server'), 'ok h:1: connected, by sync')
  expired = 1
  assert.equal(
    await run('server'),
    'SpindleError: h:1: connected, by sync; 1 identity in use expired and not signed anew',
  )
  expired = 0
  assert.equal(await run('bootstrap'), 'ok unverified')
  state.set({ ...UP, fault: 'connection refused' })
  assert.equal(await run('server'), 'SpindleError: h:1: connection refused')
  entries.set(createRegistry([]))
  assert.match(await run('server'), /^ok h:1: connection refused; what is valid is served/)
  missing = 2
  assert.match(await run('server'), /^SpindleError: .*; 2 identities in use cannot be signed/)
})
