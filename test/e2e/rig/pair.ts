/** Two sidecars of one agent: requests go through the client's Envoy, over mutual TLS, into the server's. */
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { HeldSecret } from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Envoy } from '../../../src/cli/demo/envoy.ts'
import type { Agent } from './agent.ts'
import type { EnvoySettings, Rig, Template } from './rig.ts'
import { activeListener, eventually, get } from './rig.ts'

export const VARIANTS: readonly (readonly [variant: string, template: Template])[] = [
  ['Delta', 'sidecar-delta'],
  ['state of the world', 'sidecar-sotw'],
]

/** What an entry asks of the Envoys of a rig that run its copy of the binary. */
export const envoySelectors = (rig: Rig): string[] => [`unix:path:${join(rig.folder, 'envoy')}`]

/** What an entry asks of the test process itself, and of other programs run by this Node. */
export const testSelectors = (): string[] => [`unix:path:${realpathSync(process.execPath)}`]

export interface Pair {
  readonly server: Envoy
  readonly client: Envoy
  readonly inbound: number
  readonly outbound: number
}

export interface PairSettings {
  readonly template: Template
  /** Every request makes a connection of its own between the Envoys: with a whole handshake, or with a session it knows. */
  readonly connectAnew?: 'whole' | 'resumed'
  /** Changes the configuration of both. */
  readonly change?: EnvoySettings['change']
}

/** Both started, and a first request answered. */
export async function startPair(
  rig: Rig,
  agent: Pick<Agent, 'socket'>,
  { template, connectAnew, change }: PairSettings,
): Promise<Pair> {
  const appPort = await rig.app('OK')
  const common = { template, ...(change !== undefined && { change }) }
  const server = await rig.envoy(agent, { ...common, appPort })
  const inbound = await activeListener(server, 'inbound')
  const client = await rig.envoy(agent, {
    ...common,
    peerPort: inbound,
    change(config) {
      change?.(config)
      if (connectAnew !== undefined) oneRequestAConnection(config, connectAnew)
    },
  })
  const outbound = await activeListener(client, 'outbound')
  await eventually('a first answer', async () => (await get(outbound)).status === 200)
  return { server, client, inbound, outbound }
}

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

// eslint-disable-next-line @typescript-eslint/no-explicit-any
function oneRequestAConnection(config: Record<string, any>, how: 'whole' | 'resumed'): void {
  const peer = config['static_resources'].clusters.find(
    (cluster: { name: string }) => cluster.name === 'peer',
  )
  const options = peer.typed_extension_protocol_options[HTTP_OPTIONS]
  options.common_http_protocol_options.max_requests_per_connection = 1
  // A machine that stands still is no failed handshake.
  peer.connect_timeout = '20s'
  if (how === 'whole') peer.transport_socket.typed_config.max_session_keys = 0
}

interface CertificatesInUse {
  readonly certificates: readonly {
    readonly cert_chain: readonly {
      readonly serial_number: string
      readonly subject_alt_names: readonly { readonly uri?: string }[]
    }[]
  }[]
}

/** Serial numbers of the leaves an Envoy really uses: `/certs` is the one view that a rejected secret does not change. */
export async function serialsInUse(envoy: Envoy): Promise<readonly string[]> {
  const { certificates } = JSON.parse(await envoy.admin('/certs')) as CertificatesInUse
  const serials = certificates.flatMap(({ cert_chain: chain }) => chain[0]?.serial_number ?? [])
  return Array.from(new Set(serials))
}

/** The one serial number in all of an Envoy's contexts, once it is not `before`. */
export function changedSerial(envoy: Envoy, before: string | undefined): Promise<string> {
  return eventually('another certificate in use', async () => {
    const [serial, ...others] = await serialsInUse(envoy)
    return serial !== before && others.length === 0 ? serial : undefined
  })
}

export interface HeldName extends HeldSecret {
  readonly pid: number
}

/** Every name on every stream of the agent. */
export async function heldSecrets(agent: Agent): Promise<readonly HeldName[]> {
  const sidecars = await agent.sidecars()
  return sidecars.flatMap(({ pid, secrets }) => secrets.map((held) => ({ ...held, pid })))
}

/** Resolves once `count` streams have acknowledged a version of `name` that is not `before`, with that version. */
export function acknowledged(
  agent: Agent,
  { name, count, before }: { name: string; count: number; before?: string | undefined },
): Promise<string> {
  return eventually(`${name} acknowledged by ${count} streams`, async () => {
    const held = (await heldSecrets(agent)).filter((secret) => secret.name === name)
    const version = held[0]?.version
    const all =
      held.length === count &&
      held.every((secret) => secret.state === 'acknowledged' && secret.version === version)
    return all && version !== before ? version : undefined
  })
}

/** The sum of a metric over all its labels. */
export async function sumOf(agent: Agent, metric: string): Promise<number> {
  const answer = await fetch(`${agent.http}/metrics`, { signal: AbortSignal.timeout(20_000) })
  const lines = (await answer.text())
    .split('\n')
    .filter((line) => /^\w+/.exec(line)?.[0] === metric)
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
