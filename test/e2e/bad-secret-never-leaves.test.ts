import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { IssuedX509Svid, X509Authority, X509Request } from '../../src/authority/authority.ts'
import { createEmbeddedAuthority } from '../../src/authority/embedded.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { createEntry } from '../../src/registration/entry.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { serveInProcess } from './rig/in-process.ts'
import { changedSerial } from './rig/pair.ts'
import type { Rig } from './rig/rig.ts'
import { activeListener, createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const trustDomain = 'example.org' as TrustDomain
const DAY_MS = 86_400_000

/** A clock that goes right, but `byMs` late or early. */
const shifted = (byMs: number): Clock => ({ ...systemClock, now: () => Date.now() + byMs })

function authorityAt(clock: Clock): Promise<X509Authority> {
  return createEmbeddedAuthority({
    trustDomain,
    clock,
    random: systemRandom,
    keyType: 'ec-p256',
    caTtlMs: DAY_MS / 2,
    store: { load: async () => [], save: async () => undefined },
  })
}

type Fault = (request: X509Request, good: X509Authority) => Promise<IssuedX509Svid>

const later = Date.now() + DAY_MS
const faults: Readonly<Record<string, Fault>> = {
  'a certificate for another key': async (request, good) =>
    good.issue({ ...request, spki: (await generateKey('ec-p256')).spki }),
  // What the authority says of its end does not count: the certificate does.
  'an expired certificate': async (request) => {
    const yesterday = await authorityAt(shifted(-DAY_MS))
    return { ...(await yesterday.issue(request)), notAfter: later }
  },
  'a certificate that is not valid yet': async (request) => {
    const tomorrow = await authorityAt(shifted(DAY_MS))
    return tomorrow.issue(request)
  },
  'a chain with the CA in front of the leaf': async (request, good) => {
    const svid = await good.issue(request)
    return { ...svid, chain: [Buffer.from(good.state.current.anchors[0]!), ...svid.chain] }
  },
  'no certificate at all': async (request, good) => ({ ...(await good.issue(request)), chain: [] }),
  'bytes that are no certificate': async (request, good) => {
    const svid = await good.issue(request)
    return { ...svid, chain: svid.chain.map((der) => der.subarray(1)) }
  },
}

/** Signs as `good` does, but for what `fault` makes of it. */
interface BrokenAuthority extends X509Authority {
  fault: Fault | undefined
}

async function createBrokenAuthority(): Promise<BrokenAuthority> {
  const good = await authorityAt(systemClock)
  const broken: BrokenAuthority = {
    fault: undefined,
    state: good.state,
    issue: (request) =>
      broken.fault === undefined ? good.issue(request) : broken.fault(request, good),
    prepare: () => good.prepare(),
    activate: () => good.activate(),
    reload: () => good.reload(),
    close: () => good.close(),
  }
  return broken
}

function entryOf(name: string) {
  const { entry } = createEntry(
    { spiffeId: `spiffe://example.org/${name}`, selectors: ['unix:uid:0'] },
    trustDomain,
  )
  assert(entry !== undefined)
  return entry
}

/** An agent with that authority and one entry, and a client that wants `default`. */
async function subscribed(rig: Rig, authority: BrokenAuthority) {
  const entries = [entryOf('web')]
  const served = await serveInProcess(join(rig.folder, 'sds/agent.sock'), entries, authority)
  rig.atEnd(() => served.stop())
  const client = createSdsClient(served.socket)
  rig.atEnd(() => client.close())
  const stream = client.delta()
  stream.subscribe('default')
  return { served, client, stream }
}

test('what an authority does wrong is sent to nobody, and the secret before stays in use', async (t) => {
  const rig = createRig(t)
  const authority = await createBrokenAuthority()
  const { served, client, stream } = await subscribed(rig, authority)
  stream.ack(await stream.next())
  const envoy = await rig.envoy(served, { appPort: await rig.app('OK') })
  await activeListener(envoy, 'inbound')
  const serial = await changedSerial(envoy, undefined)

  for (const [what, fault] of Object.entries(faults))
    await t.test(what, async () => {
      authority.fault = fault
      const before = served.events.length
      assert.equal(await served.identities.renewAll(), 0)
      const failed = served.events.slice(before).find(({ kind }) => kind === 'failed')
      assert(failed?.kind === 'failed' && failed.code === 'certificate_invalid', what)
      const [secret] = await client.fetch('default')
      assert.deepEqual(secret, stream.received[0]?.secrets[0], 'what is served is what was')
      assert.equal(stream.received.length, 1)
      assert.equal(await envoy.stat('sds.default.update_success'), 1)
      assert.equal(await changedSerial(envoy, undefined), serial)
    })

  authority.fault = undefined
  assert.equal(await served.identities.renewAll(), 1)
  await stream.next(undefined, 1)
  await changedSerial(envoy, serial)
  assert.equal(await envoy.stat('sds.default.update_rejected'), 0)
})

test('a name whose first certificate is bad is neither sent nor said to be removed until a good one is there', async (t) => {
  const rig = createRig(t)
  const authority = await createBrokenAuthority()
  authority.fault = faults['a certificate for another key']
  const { served, client, stream } = await subscribed(rig, authority)
  await eventually('two attempts failed', () =>
    served.events.filter(({ kind }) => kind === 'failed').length >= 2 ? true : undefined,
  )
  await client.fetch('ROOTCA')
  assert.deepEqual(stream.received, [])
  const [open] = served.sds.streams
  assert.match(open?.held()[0]?.why ?? '', /the private key does not fit the leaf/)

  authority.fault = undefined
  assert.equal((await stream.next()).secrets[0]?.name, 'default')
})
