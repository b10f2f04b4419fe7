import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { generateKey } from '../../src/certs/keys.ts'
import { verifyX509Svid } from '../../src/certs/parse.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { createDoor } from '../../src/server/admit/door.ts'
import { createPeerVerifier } from '../../src/server/admit/verify-peer.ts'
import { openRegistry } from '../../src/server/enroll/open-registry.ts'
import type { Issuing } from '../../src/server/issue/issuing.ts'
import { createBundleService } from '../../src/server/serve/bundle/service.ts'
import { createSvidService } from '../../src/server/serve/svid/service.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import type { StoredBundle } from '../../src/store/model.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { entry } from '../fakes/store-values.ts'
import { createFakeAgent } from '../fakes/workload-agent.ts'
import { fleet, trustDomain } from '../unit/server/issue/setting.ts'
import type { Fleet } from '../unit/server/issue/setting.ts'

const HOUR = 3_600_000
/** Looks at the server above more often. */
const impatient: Clock = {
  ...systemClock,
  after: (ms, run) => systemClock.after(ms === 5_000 ? 50 : ms, run),
}

/** A server that others may stand below, as they see it, and an agent that gives them the identity for it. */
interface Above {
  readonly fleet: Fleet
  readonly issuing: Issuing
  /** For the config of one below. */
  readonly config: string
  stop(): Promise<void>
  start(): Promise<void>
}

async function above(t: TestContext): Promise<Above> {
  const at = await fleet(t, systemClock)
  const [clock, random] = [systemClock, systemRandom]
  const log = createLog({ level: 'error', format: 'text', stream: { write() {} }, clock })
  const registry = await openRegistry({ store: at.store, trustDomain, clock, random, log })
  t.after(() => registry.close())
  const issuing = await at.server('above').open({ registry })
  await at.store.entries.create([{ ...entry('/below'), downstream: true }])
  await registry.caughtUp()
  const authorities = () =>
    new Map([
      [
        trustDomain,
        (registry.bundle(trustDomain)?.x509Authorities ?? []).map(({ certificate }) => certificate),
      ],
    ])
  const verifier = createPeerVerifier({ clock, authorities })
  const faulted = (_: string, thrown: unknown): void => assert.fail(String(thrown))
  const audit = { write() {} }
  const svid = { ttlMs: HOUR, jwtTtlMs: HOUR }
  const parts = {
    trustDomain,
    clock,
    random,
    store: at.store,
    registry,
    issuing,
    audit,
    faulted,
    svid,
  }
  const services = [createSvidService(parts), createBundleService(parts)]
  let port = 0
  let stop = async (): Promise<void> => undefined
  const start = async (): Promise<void> => {
    const door = createDoor({
      listen: { host: '127.0.0.1', port },
      key: issuing.svid.current,
      limits: { connections: 30, connectionsPerAddress: 20, streamsPerConnection: 10 },
      clock,
      verifier,
      gate: () => undefined,
      audit,
      report: { opened() {}, closed() {}, refused() {} },
    })
    for (const service of services) service.addTo(door)
    port = Number((await door.start()).split(':').at(-1))
    stop = () => door.stop()
  }
  await start()
  t.after(() => stop())
  const agent = await createFakeAgent(t, {
    async fetchX509SVID(stream) {
      const { pkcs8, spki } = await generateKey('ec-p256')
      const spiffeId = parseSpiffeId('spiffe://example.org/below')
      const { chain } = await issuing.x509.issue({ spiffeId, spki, dnsNames: [], ttlMs: HOUR })
      const bundle = Buffer.concat(issuing.x509.state.current.anchors)
      stream.send({
        svids: [{ spiffeId, x509Svid: Buffer.concat(chain), x509SvidKey: pkcs8, bundle, hint: '' }],
      })
    },
  })
  const config = `authority: { kind: server, address: "127.0.0.1:${port}", workloadApiSocket: ${agent.path} }`
  return { fleet: at, issuing, config, start, stop: () => stop() }
}

const kids = ({ jwtAuthorities }: StoredBundle): string[] =>
  jwtAuthorities.map(({ keyId }) => keyId).toSorted()
const certificates = ({ x509Authorities }: StoredBundle): readonly Uint8Array[] =>
  x509Authorities.map(({ certificate }) => certificate)
const activeKey = ({ jwt }: Issuing): string | undefined =>
  jwt.state.current.slots.find(({ status }) => status === 'active')?.authorityId

/** Within some looks at the server above. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 400; round++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail('it did not come to it')
}

test('a server below another signs under its roots, has its keys, and has its own published there', async (t) => {
  const root = await above(t)
  const at = await fleet(t, impatient)
  const nested = await at.server('nested', root.config).open()
  const now = systemClock.now()
  const anchors = certificates(await root.fleet.bundle())
  assert.deepEqual(certificates(await at.bundle()), anchors)
  const bundles = new Map([[trustDomain, anchors]])
  assert.equal(nested.svid.current.chain.length, 2)
  assert.equal(
    verifyX509Svid(nested.svid.current.chain, bundles, { now, mode: 'strict' }),
    'spiffe://example.org/spire/server',
  )
  assert.ok(kids(await root.fleet.bundle()).includes(activeKey(nested) ?? ''))
  await eventually(async () => kids(await at.bundle()).includes(activeKey(root.issuing) ?? ''))
  assert.deepEqual(kids(await at.bundle()), kids(await root.fleet.bundle()))

  // A key that a server below this one publishes here goes on to the one above.
  const { spki: publicKey } = await generateKey('ec-p256')
  const key = { keyId: 'of one below', publicKey, tainted: false, expiresAt: now + HOUR }
  await at.store.bundles.change(
    trustDomain,
    (bundle) => bundle && { ...bundle, jwtAuthorities: [...bundle.jwtAuthorities, key] },
  )
  await eventually(async () => kids(await root.fleet.bundle()).includes(key.keyId))

  // What changes above is taken over: a root that comes, one that is tainted, one that goes, and a key that goes.
  const [first] = root.issuing.x509.state.current.slots.map(({ authorityId }) => authorityId)
  await root.issuing.x509.prepare()
  await eventually(async () => certificates(await at.bundle()).length === 2)
  await root.issuing.x509.activate()
  await root.issuing.x509.taint(first ?? '')
  await eventually(async () => (await at.bundle()).x509Authorities[0]?.tainted === true)
  const firstKey = activeKey(root.issuing) ?? ''
  await root.issuing.jwt.prepare()
  await root.issuing.jwt.activate()
  await root.issuing.jwt.revoke(firstKey)
  await eventually(async () => !kids(await at.bundle()).includes(firstKey))
})

test('a key that was revoked below does not come back from above', async (t) => {
  const root = await above(t)
  const at = await fleet(t, impatient)
  const nested = await at.server('nested', root.config).open()
  const first = activeKey(nested) ?? ''
  await nested.jwt.prepare()
  await nested.jwt.activate()
  await nested.jwt.revoke(first)
  assert.ok(!kids(await at.bundle()).includes(first))
  assert.ok(kids(await root.fleet.bundle()).includes(first))
  const other = activeKey(root.issuing) ?? ''
  // A look at the server above was taken over since.
  await eventually(async () => kids(await at.bundle()).includes(other))
  assert.ok(!kids(await at.bundle()).includes(first))
})

test('while the server above is away the one below starts again and signs on, and prepares no key that is not known there', async (t) => {
  const root = await above(t)
  const at = await fleet(t, systemClock)
  const server = at.server('nested', root.config)
  const before = await server.open()
  await before.close()
  await root.stop()
  const nested = await server.open()
  assert.equal(activeKey(nested), activeKey(before))
  assert.equal(nested.svid.current.authorityId, before.svid.current.authorityId)
  await assert.rejects(nested.jwt.prepare(), { code: 'authority_unavailable' })
  assert.match(nested.jwt.state.current.fault ?? '', /does not answer/)
  await root.start()
  await nested.jwt.prepare()
  const prepared = nested.jwt.state.current.slots.find(({ status }) => status === 'prepared')
  assert.ok(kids(await root.fleet.bundle()).includes(prepared?.authorityId ?? ''))
})

test('a first start without the server above, or without an identity for it, says what is missing', async (t) => {
  const root = await above(t)
  await root.stop()
  const at = await fleet(t, systemClock)
  await assert.rejects(at.server('nested', root.config).open(), {
    code: 'unreachable',
    message: /127\.0\.0\.1:\d+ does not answer/,
  })
})
