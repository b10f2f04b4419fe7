import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { status } from '@grpc/grpc-js'
import { toPem } from '../../../../../src/certs/parse.ts'
import { systemClock } from '../../../../../src/runtime/clock.ts'
import { systemRandom } from '../../../../../src/runtime/random.ts'
import { createOwnIdentity } from '../../../../../src/server/issue/above/identity.ts'
import type { OwnIdentity } from '../../../../../src/server/issue/above/identity.ts'
import { until } from '../../../../fakes/until.ts'
import { createFakeAgent } from '../../../../fakes/workload-agent.ts'
import type { FakeAgent, FakeStream } from '../../../../fakes/workload-agent.ts'
import { createFleet } from '../../admit/fleet.ts'
import { trustDomain } from '../setting.ts'

function open(t: TestContext, agent: FakeAgent): OwnIdentity {
  const identity = createOwnIdentity({
    trustDomain,
    workloadApiSocket: agent.path,
    // Waits less for a first one.
    clock: { ...systemClock, after: (ms, run) => systemClock.after(ms === 8_000 ? 300 : ms, run) },
    random: systemRandom,
  })
  t.after(() => identity.close())
  return identity
}

async function svidOf(name: string, path: string) {
  const fleet = await createFleet(name)
  const { chain, pkcs8 } = await fleet.sign(path)
  return {
    spiffeId: fleet.id(path),
    x509Svid: Buffer.concat(chain),
    x509SvidKey: pkcs8,
    bundle: fleet.root,
    hint: '',
  }
}

test('createOwnIdentity: takes the SVID of the own trust domain, and follows it', async (t) => {
  const other = await svidOf('other.org', '/below')
  const [first, second] = [await svidOf('example.org', '/one'), await svidOf('example.org', '/two')]
  let stream: FakeStream<{ svids: unknown[] }> | undefined
  const agent = await createFakeAgent(t, {
    fetchX509SVID(opened) {
      stream = opened as never
      opened.send({ svids: [{ ...other, hint: 'o' }, first] })
    },
  })
  const identity = open(t, agent)
  const svid = await identity.first()
  assert.equal(svid.spiffeId, first.spiffeId)
  assert.match(toPem(svid.chain[0]!, 'CERTIFICATE'), /BEGIN CERTIFICATE/)
  stream?.send({ svids: [second] })
  await until(identity.svid, (now) => now?.spiffeId === second.spiffeId)
})

test('createOwnIdentity: says why there is none', async (t) => {
  const other = await svidOf('other.org', '/below')
  const agent = await createFakeAgent(t, {
    fetchX509SVID: (stream) => stream.send({ svids: [other] }),
  })
  await assert.rejects(open(t, agent).first(), {
    code: 'authority_unavailable',
    message: /no X\.509-SVID from the Workload API at .*: it gives none of example\.org/,
  })
  agent.says = {
    fetchX509SVID: (stream) => stream.fail(status.PERMISSION_DENIED, 'no identity issued'),
  }
  await assert.rejects(open(t, agent).first(), { message: /no identity issued/ })
  agent.stop()
  await assert.rejects(open(t, agent).first(), { code: 'authority_unavailable' })
})
