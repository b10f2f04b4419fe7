/** A Spindle server in this process, what an operator tells it, and links to it. */
import type { TestContext } from 'node:test'
import { openServerLink } from '../../src/agent/obtain/server/open-link.ts'
import type { LinkMemory, ServerLink } from '../../src/agent/obtain/server/link.ts'
import type { LinkOptions } from '../../src/agent/obtain/server/settings.ts'
import { toPem } from '../../src/certs/parse.ts'
import { Agent } from '../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { Entry } from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import { LocalAuthority } from '../../src/gen/spire/api/server/localauthority/v1/localauthority_pb.js'
import { parseEntryId } from '../../src/registration/server-entry.ts'
import type { EntryId } from '../../src/registration/server-entry.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createLog } from '../../src/telemetry/log.ts'
import type { RpcClient } from '../../src/wire/client.ts'
import { createUnixClient } from '../../src/wire/client.ts'
import { runServer as startRunning } from '../fakes/running-server.ts'
import type { RunningServer } from '../fakes/running-server.ts'

export const TRUST_DOMAIN = parseTrustDomain('example.org')
const IN_TIME = { deadlineMs: 10_000 }

export interface Operator {
  readonly client: RpcClient
  token(): Promise<string>
  entry(
    name: string,
    more?: { readonly parent?: string; readonly federatesWith?: string[] },
  ): Promise<EntryId>
  deleteEntry(id: EntryId): Promise<void>
  bundlePem(): Promise<string>
  /** A next CA signs from now on; the one before is tainted. @returns what revokes it */
  rotate(): Promise<() => Promise<void>>
}

export interface OperatedServer extends RunningServer {
  readonly operator: Operator
}

export async function runServer(
  t: TestContext,
  settings?: Parameters<typeof startRunning>[1],
): Promise<OperatedServer> {
  const running = await startRunning(t, settings)
  const client = createUnixClient(running.server.addresses.adminSocket)
  t.after(() => client.close())
  return { ...running, operator: operatorOf(client) }
}

function operatorOf(client: RpcClient): Operator {
  const idOf = (path: string) => ({ trustDomain: 'example.org', path })
  return {
    client,
    async token() {
      const request = { ttl: 600, agentId: idOf('/node') }
      return (await client.call(Agent.method.createJoinToken, request, IN_TIME)).value
    },
    async entry(name, { parent = '/node', federatesWith = [] } = {}) {
      const entry = {
        spiffeId: idOf(`/${name}`),
        parentId: idOf(parent),
        selectors: [{ type: 'unix', value: 'uid:1001' }],
        federatesWith,
      }
      const { results } = await client.call(
        Entry.method.batchCreateEntry,
        { entries: [entry] },
        IN_TIME,
      )
      const [result] = results
      if (result?.status?.code !== 0) throw new Error(result?.status?.message ?? 'no entry')
      return parseEntryId(result.entry?.id ?? '')
    },
    async deleteEntry(id) {
      await client.call(Entry.method.batchDeleteEntry, { ids: [id] }, IN_TIME)
    },
    async bundlePem() {
      const bundle = await client.call(Bundle.method.getBundle, {}, IN_TIME)
      return bundle.x509Authorities.map(({ asn1 }) => toPem(asn1, 'CERTIFICATE')).join('')
    },
    async rotate() {
      const step = LocalAuthority.method
      const before = await client.call(step.getX509AuthorityState, {}, IN_TIME)
      const { authorityId = '' } = before.active ?? {}
      const next = await client.call(step.prepareX509Authority, {}, IN_TIME)
      const prepared = { authorityId: next.preparedAuthority?.authorityId ?? '' }
      await client.call(step.activateX509Authority, prepared, IN_TIME)
      await client.call(step.taintX509Authority, { authorityId }, IN_TIME)
      return async () => {
        await client.call(step.revokeX509Authority, { authorityId }, IN_TIME)
      }
    },
  }
}

export interface OpenLink {
  readonly link: ServerLink
  /** Newest last. */
  readonly memories: LinkMemory[]
}

export async function openLink(
  t: TestContext,
  options: Pick<LinkOptions, 'config'> & Partial<LinkOptions>,
): Promise<OpenLink> {
  const memories: LinkMemory[] = []
  const level = process.env['LINK_LOG'] === undefined ? 'error' : 'trace'
  const link = await openServerLink({
    trustDomain: TRUST_DOMAIN,
    keyType: 'ec-p256',
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level, format: 'text', stream: process.stderr, clock: systemClock }),
    version: '1.2.3',
    memory: undefined,
    remember: async (memory) => void memories.push(memory),
    ...options,
  })
  t.after(() => link.close())
  return { link, memories }
}
