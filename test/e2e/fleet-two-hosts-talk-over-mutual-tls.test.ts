/**
 * The quick start of docs/fleet.md: a server, two agents on two hosts (network namespaces) that join by tokens, and an Envoy on each;
 * requests go from one to the other over mutual TLS, and none fails while the CA is replaced.
 */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFlow } from '../../src/cli/demo/scene/http.ts'
import type { Agent } from './rig/agent.ts'
import { cli } from './rig/command.ts'
import { canMakeHosts, createHosts } from './rig/hosts.ts'
import type { Host } from './rig/hosts.ts'
import { envoySelectors } from './rig/pair.ts'
import { activeListener, createRig, eventually, write } from './rig/rig.ts'
import type { Rig } from './rig/rig.ts'
import type { FleetServer } from './rig/server.ts'

const WITHIN_MS = 60_000

test('Envoys on two hosts of a fleet talk over mutual TLS, also while the CA is replaced', async (t) => {
  if (!canMakeHosts(t)) return
  const rig = createRig(t)
  const [home, webHost, apiHost] = await createHosts(rig, 3)
  assert(home !== undefined && webHost !== undefined && apiHost !== undefined)
  const server = await rig.server({ host: home })
  const web = await joined(rig, server, { host: webHost, name: 'web' })
  const api = await joined(rig, server, { host: apiHost, name: 'api' })

  const apiEnvoy = await rig.envoy(api, {
    host: apiHost,
    appPort: await apiHost.app('hello'),
    change: listenToTheNetwork,
  })
  const inbound = await activeListener(apiEnvoy, 'inbound', WITHIN_MS)
  const webEnvoy = await rig.envoy(web, {
    host: webHost,
    change: (config) => callOverTheNetwork(config, apiHost.address, inbound),
  })
  const outbound = await activeListener(webEnvoy, 'outbound', WITHIN_MS)
  await eventually('an answer', async () => (await webHost.get(outbound)).body === 'hello')

  const before = await operator(server, 'localauthority', 'x509', 'show')
  const flow = startFlow(() => webHost.get(outbound), 2)
  await operator(server, 'authority', 'rotate')
  const enough = flow.answered + 50
  await eventually('requests after the rotation', () => flow.answered > enough)
  await flow.stop()
  assert.equal(flow.failed, 0, flow.firstFailure)
  assert.notEqual(await operator(server, 'localauthority', 'x509', 'show'), before)
  t.diagnostic(`${flow.answered} requests between the hosts, none failed`)
})

/** A host whose agent has joined the fleet, with an entry for its Envoy. */
async function joined(
  rig: Rig,
  server: FleetServer,
  { host, name }: { readonly host: Host; readonly name: string },
): Promise<Agent> {
  const node = `spiffe://example.org/host/${name}`
  const token = await operator(server, 'token', 'generate', '--spiffe-id', node)
  const selectors = envoySelectors(rig).flatMap((selector) => ['--selector', selector])
  const ids = ['--parent-id', node, '--spiffe-id', `spiffe://example.org/${name}`]
  await operator(server, 'entry', 'create', ...ids, ...selectors)
  const files = join(rig.folder, `files-${name}`)
  mkdirSync(files, { mode: 0o700 })
  const [tokenFile, trustBundleFile] = [join(files, 'token'), join(files, 'bundle.pem')]
  write(tokenFile, /^Token: (.+)$/m.exec(token)?.[1] ?? '')
  write(trustBundleFile, await operator(server, 'bundle', 'show'))
  return rig.agent({
    through: host.through,
    config: {
      authority: {
        kind: 'server',
        address: server.address,
        trustBundleFile,
        attest: { kind: 'join-token', tokenFile },
      },
      entries: undefined,
    },
  })
}

/** What a command of the operator on the server's host prints. */
async function operator(server: FleetServer, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await cli(...args, '--server-socket', server.adminSocket)
  assert.equal(code, 0, `spindle ${args.join(' ')}: ${err}`)
  return out
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
function listenToTheNetwork(config: Record<string, any>): void {
  const inbound = config['static_resources'].listeners.find(
    (listener: { name: string }) => listener.name === 'inbound',
  )
  inbound.address.socket_address.address = '0.0.0.0'
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
function callOverTheNetwork(config: Record<string, any>, address: string, port: number): void {
  const peer = config['static_resources'].clusters.find(
    (cluster: { name: string }) => cluster.name === 'peer',
  )
  peer.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address = {
    address,
    port_value: port,
  }
}
