/** What a node needs to join the server of a test, asked of the server on its admin socket. */
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { toPem } from '../../../src/certs/parse.ts'
import { Agent } from '../../../src/gen/spire/api/server/agent/v1/agent_pb.js'
import { Bundle } from '../../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { Entry } from '../../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import type { Agent as RunningAgent } from './agent.ts'
import type { Rig } from './rig.ts'
import { write } from './rig.ts'
import type { FleetServer } from './server.ts'

const DEADLINE = { deadlineMs: 20_000 }
const trustDomain = 'example.org'

/** The node that joins as `/node/<name>`; its agent's configuration, with a token to join by. */
export async function joining(rig: Rig, server: FleetServer, name: string, more: object = {}) {
  const folder = join(rig.folder, `joining-${name}`)
  mkdirSync(folder, { mode: 0o700, recursive: true })
  const [tokenFile, trustBundleFile] = [join(folder, 'token'), join(folder, 'bundle.pem')]
  write(tokenFile, await newToken(server, name))
  chmodSync(tokenFile, 0o600)
  write(trustBundleFile, await bundlePem(server))
  const attest = { kind: 'join-token', tokenFile }
  const authority = { kind: 'server', address: server.address, trustBundleFile, attest, ...more }
  return { tokenFile, config: { authority, entries: undefined } }
}

export async function newToken(server: FleetServer, name: string): Promise<string> {
  const request = { ttl: 600, agentId: { trustDomain, path: `/node/${name}` } }
  const { createJoinToken } = Agent.method
  return (await server.local.call(createJoinToken, request, DEADLINE)).value
}

export async function bundlePem(server: FleetServer): Promise<string> {
  const bundle = await server.local.call(Bundle.method.getBundle, {}, DEADLINE)
  return bundle.x509Authorities.map(({ asn1 }) => toPem(asn1, 'CERTIFICATE')).join('')
}

/** An entry for root of the node that joins as `name`. @returns its id */
export async function addEntry(
  server: FleetServer,
  name: string,
  path: string,
  more: object = {},
): Promise<string> {
  const entry = {
    spiffeId: { trustDomain, path },
    parentId: { trustDomain, path: `/node/${name}` },
    selectors: [{ type: 'unix', value: `uid:${process.getuid?.()}` }],
    ...more,
  }
  const { batchCreateEntry } = Entry.method
  const { results } = await server.local.call(batchCreateEntry, { entries: [entry] }, DEADLINE)
  const [result] = results
  if (result?.entry === undefined) throw new Error(`no entry: ${result?.status?.message}`)
  return result.entry.id
}

/** Whether all there was until `since` is kept: both files were written after it, or not lately. */
export function isKept({ folder }: Pick<RunningAgent, 'folder'>, since: number): boolean {
  const files = ['run/cache/agent/identities.sealed', 'state/node.sealed']
  const times = files.map((name) => statSync(join(folder, name)).mtimeMs)
  return times[0]! >= since && Date.now() - Math.max(...times) > 500
}
