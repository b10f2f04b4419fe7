/** A server and an agent of it as processes, whose wall clocks are the test's to set. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import type { TestContext } from 'node:test'
import type { MessageShape } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import type { MatchedEntry } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { addEntry, joining } from '../e2e/rig/joining.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import type { FleetServer } from '../e2e/rig/server.ts'
import type { ReceivedStream, WorkloadTestClient } from '../e2e/rig/workload-client.ts'
import { createWorkloadTestClient } from '../e2e/rig/workload-client.ts'
import type { FakedTime } from './faked-time.ts'
import { fakedTime } from './faked-time.ts'

const { fetchX509SVID } = SpiffeWorkloadAPI.method
export type Update = MessageShape<(typeof fetchX509SVID)['output']>

export interface FleetInTime {
  readonly rig: Rig
  readonly server: FleetServer
  readonly agent: Agent
  readonly tokenFile: string
  readonly serverTime: FakedTime
  readonly agentTime: FakedTime
  readonly client: WorkloadTestClient
  /** Of a caller that had every SVID before anything happened, and stays. */
  readonly stream: ReceivedStream<Update>
  /** What the agent has for this process, as it says. */
  matched(): Promise<readonly MatchedEntry[]>
}

/** @returns undefined where the test has been skipped */
export async function fleetInTime(
  t: TestContext,
  {
    identities,
    config = {},
  }: { readonly identities: number; readonly config?: Readonly<Record<string, unknown>> },
): Promise<FleetInTime | undefined> {
  const rig = createRig(t)
  const serverTime = fakedTime(t, rig, 'server-time')
  const agentTime = serverTime && fakedTime(t, rig, 'agent-time')
  if (serverTime === undefined || agentTime === undefined) return undefined
  const server = await rig.server({ env: serverTime.env, config })
  for (let at = 0; at < identities; at++) await addEntry(server, 'a', `/web/${at}`)
  const { config: joined, tokenFile } = await joining(rig, server, 'a')
  const agent = await rig.agent({ config: joined, env: agentTime.env })
  const client = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => client.close())
  const stream = client.stream(fetchX509SVID)
  await eventually('all is served', () => serialsOf(stream.received.at(-1)).size === identities)
  return {
    rig,
    server,
    agent,
    tokenFile,
    serverTime,
    agentTime,
    client,
    stream,
    async matched() {
      const request = { pid: process.pid, name: '' }
      const call = agent.admin.call(AdminService.method.explain, request, { deadlineMs: 20_000 })
      return (await call).entries
    },
  }
}

export const serialsOf = (update: Update | undefined): ReadonlySet<string> =>
  new Set((update?.svids ?? []).map(({ x509Svid }) => new X509Certificate(x509Svid).serialNumber))

/** Whether the agent is up to date with its server. */
export async function isConnected({ admin }: Agent): Promise<boolean> {
  const { server } = await admin.call(AdminService.method.getStatus, {}, { deadlineMs: 20_000 })
  return server?.fault === ''
}

export function certificatesOf(update: Update | undefined): readonly X509Certificate[] {
  return (update?.svids ?? []).map(({ x509Svid }) => new X509Certificate(x509Svid))
}

export function instant(timestamp: Timestamp | undefined): number {
  assert(timestamp !== undefined, 'it has no such instant')
  return timestampMs(timestamp)
}
