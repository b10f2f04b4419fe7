/** One call replaces what a fleet is signed with: nobody is left without a bundle that verifies what is presented, and no stream is closed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageShape } from '@bufbuild/protobuf'
import { splitDer } from '../../src/spiffe/der.ts'
import { parseCertificate } from '../../src/certs/parse.ts'
import {
  AuthorityKind,
  AuthorityRotation,
  RotateStep,
} from '../../src/gen/spindle/server/v1/rotation_pb.js'
import type { RotateProgress } from '../../src/gen/spindle/server/v1/rotation_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { addEntry, joining } from './rig/joining.ts'
import { createRig, eventually } from './rig/rig.ts'
import type { FleetServer } from './rig/server.ts'
import { createWorkloadTestClient } from './rig/workload-client.ts'

const { fetchX509SVID } = SpiffeWorkloadAPI.method
type Update = MessageShape<(typeof fetchX509SVID)['output']>

/** Which authority signed the SVID, and which ones are in the bundle beside it. */
function seen({ svids: [svid] }: Update) {
  const { x509Svid, bundle } = svid!
  return {
    signer: parseCertificate(splitDer(x509Svid, 8)![0]!, 'the leaf').authorityKeyId,
    trusted: splitDer(bundle, 8)!.map((der) => parseCertificate(der, 'an authority').subjectKeyId),
  }
}

/** Rotates the CA; what the call says, and how it ends. */
function rotate({ local }: FleetServer, more: object = {}) {
  const said: RotateProgress[] = []
  const request = { kind: AuthorityKind.X509, ...more }
  const run = async (): Promise<void> => {
    const { signal } = new AbortController()
    const call = local.stream(AuthorityRotation.method.rotate, request, { signal })
    for await (const progress of call) said.push(progress)
  }
  return { said, ended: run() }
}

test('an authority is rotated while agents serve: a slow one is waited for, and one that is away is not forgotten', async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  const open = async (name: string) => {
    const { config } = await joining(rig, server, name)
    const agent = await rig.agent({ config })
    await addEntry(server, name, `/${name}`)
    const client = createWorkloadTestClient(agent.socket)
    rig.atEnd(() => client.close())
    const stream = client.stream(fetchX509SVID)
    await stream.next((update) => update.svids.length === 1)
    return { agent, stream }
  }
  const [one, other] = [await open('a'), await open('b')]
  const { signer: first } = seen(one.stream.received[0]!)

  other.agent.child.signal('SIGSTOP')
  const slow = rotate(server)
  await eventually('it waits for the slow one', () =>
    slow.said.some(({ readyAgents, behind }) => readyAgents === 1 && behind.length === 1),
  )
  const waiting = slow.said.at(-1)!
  assert.equal(waiting.step, RotateStep.ACTIVATE)
  const next = waiting.newAuthorityId
  await one.stream.next((update) => seen(update).trusted.includes(next))
  assert.equal(seen(one.stream.received.at(-1)!).signer, first)
  other.agent.child.signal('SIGCONT')
  await slow.ended
  assert.equal(slow.said.at(-1)?.step, RotateStep.DONE)

  for (const { stream } of [one, other]) {
    await stream.next((update) => seen(update).trusted.join() === next)
    assert.equal(stream.ended, undefined, 'no stream is closed for it')
    for (const update of stream.received) {
      const { signer, trusted } = seen(update)
      assert(trusted.includes(signer), 'what is presented is verified by the bundle beside it')
    }
    assert.equal(seen(stream.received.at(-1)!).signer, next)
  }

  other.agent.child.signal('SIGKILL')
  await other.agent.child.ended
  const refused = rotate(server, { waitSeconds: 2 })
  await assert.rejects(refused.ended, {
    code: 'precondition_failed',
    message: /waits for 1 agent not connected to any server: spiffe:/,
  })
  const { newAuthorityId: third } = refused.said.at(-1)!
  const left = rotate(server, { allowAway: true })
  await left.ended
  assert.equal(left.said.at(-1)?.newAuthorityId, third)
  await one.stream.next((update) => seen(update).trusted.join() === third)

  one.agent.child.signal('SIGSTOP')
  const broken = rotate(server, { allowAway: true })
  await eventually('it waits', () => broken.said.at(-1)?.step === RotateStep.ACTIVATE)
  server.child.signal('SIGKILL')
  await assert.rejects(broken.ended)
  const back = await server.restart()
  rig.atEnd(() => back.stop())
  one.agent.child.signal('SIGCONT')
  await eventually('the agent is back', async () => {
    const metrics = await (await fetch(`${back.http}/metrics`)).text()
    return metrics.includes('\nspindle_server_agents_connected 1\n')
  })
  const again = rotate(back, { allowAway: true })
  await again.ended
  const { newAuthorityId: fourth } = again.said.at(-1)!
  assert.equal(fourth, broken.said.at(-1)?.newAuthorityId, 'what was prepared is what signs now')
  await one.stream.next((update) => seen(update).trusted.join() === fourth)
  assert.equal(one.stream.ended, undefined, 'no stream is closed for any of it')
})
