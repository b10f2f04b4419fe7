import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { create } from '@bufbuild/protobuf'
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import {
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Serving,
  Health,
} from '../../../../src/gen/grpc/health/v1/health_pb.js'
import type { HealthCheckResponse } from '../../../../src/gen/grpc/health/v1/health_pb.js'
import { Agent } from '../../../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { openLibc } from '../../../../src/os/libc.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { createAdmission } from '../../../../src/server/admit/admission.ts'
import { openLocalDoor } from '../../../../src/server/admit/local-door.ts'
import type { ServerPeer } from '../../../../src/server/admit/peer.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createUnixClient } from '../../../../src/wire/client.ts'
import { serviceDefinition } from '../../../../src/wire/service.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'

const OWN_UID = process.geteuid!()

const SO_PEERCRED = 17

/** `says`: what the kernel is made to say of who calls. */
async function setUp(
  t: TestContext,
  { uid, says = {} }: { readonly uid: number; readonly says?: { uid?: number; pid?: number } },
) {
  const path = join(temporaryFolder(t), 'admin/server.sock')
  const libc = openLibc()
  const audited: AuditEvent[] = []
  const seen: ServerPeer[] = []
  const door = await openLocalDoor({
    kernel: {
      libc: {
        ...libc,
        getsockopt(fd, name, out) {
          const length = libc.getsockopt(fd, name, out)
          if (name !== SO_PEERCRED) return length
          if (says.pid !== undefined) out.writeInt32LE(says.pid, 0)
          if (says.uid !== undefined) out.writeUInt32LE(says.uid, 4)
          return length
        },
      },
    },
    clock: systemClock,
    path,
    uid,
    gate: createAdmission({
      verifier: { faultOf: () => assert.fail() },
      standing: {
        agentFault: () => assert.fail(),
        isAdmin: () => assert.fail(),
        isDownstream: () => assert.fail(),
      },
      audit: { write: (event) => audited.push(event) },
    }),
    audit: { write: (event) => audited.push(event) },
    report: {
      opened: () => undefined,
      closed: () => undefined,
      refused: () => undefined,
      weaklyHeld: () => undefined,
    },
  })
  const answer = (call: { getAuthContext(): unknown }): void => void seen.push(door.peerOf(call))
  door.server.addService(
    { Check: serviceDefinition(Health)['Check']! },
    {
      Check(call: ServerUnaryCall<unknown, unknown>, done: sendUnaryData<HealthCheckResponse>) {
        answer(call)
        done(null, create(HealthCheckResponseSchema, { status: Serving.SERVING }))
      },
    },
  )
  door.server.addService(
    { RenewAgent: serviceDefinition(Agent)['RenewAgent']! },
    { RenewAgent: answer },
  )
  door.start()
  const client = createUnixClient(path)
  t.after(async () => {
    client.close()
    await door.stop()
  })
  return { path, client, audited, seen }
}

test('openLocalDoor() lets the own uid call what is local, from a socket nobody else can reach, and nothing of agents', async (t) => {
  const { path, client, audited, seen } = await setUp(t, { uid: OWN_UID })
  const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8)
  assert.deepEqual([mode(path), mode(join(path, '..'))], ['600', '700'])
  await client.call(Health.method.check, {}, { deadlineMs: 5_000 })
  const self = { kind: 'local', uid: OWN_UID, pid: process.pid } as const
  assert.deepEqual(seen, [self])
  const method = '/spire.api.server.agent.v1.Agent/RenewAgent'
  await assert.rejects(client.call(Agent.method.renewAgent, {}, { deadlineMs: 5_000 }), {
    message: new RegExp(`authorization denied for method ${method}`),
  })
  assert.deepEqual(seen, [self])
  assert.deepEqual(audited, [{ event: 'denied', caller: self, method, reason: 'role' }])
})

test('openLocalDoor() refuses every call of another uid, with a line of audit', async (t) => {
  const { path, client, audited, seen } = await setUp(t, {
    uid: OWN_UID,
    says: { uid: 4_294_967_000 },
  })
  const message = `uid 4294967000 is not one of those that may use ${path}`
  await assert.rejects(client.call(Health.method.check, {}, { deadlineMs: 5_000 }), {
    code: 'peer_refused',
    message,
  })
  assert.deepEqual(seen, [])
  const caller = { kind: 'local', uid: 4_294_967_000, pid: process.pid }
  assert.deepEqual(audited, [{ event: 'denied', caller, reason: 'peer_refused', detail: message }])
})

test('openLocalDoor() lets the own uid call from another container, where it has no pid, and no other', async (t) => {
  const { client, seen } = await setUp(t, { uid: OWN_UID, says: { pid: 0 } })
  await client.call(Health.method.check, {}, { deadlineMs: 5_000 })
  await client.call(Health.method.check, {}, { deadlineMs: 5_000 })
  const caller = { kind: 'local', uid: OWN_UID, pid: 0 } as const
  assert.deepEqual(seen, [caller, caller])
  const other = await setUp(t, { uid: OWN_UID, says: { pid: 0, uid: 4_294_967_000 } })
  await assert.rejects(other.client.call(Health.method.check, {}, { deadlineMs: 5_000 }), {
    code: 'peer_refused',
  })
  assert.deepEqual(other.seen, [])
})
