/**
 * The recommended configuration of a sidecar, as text with the reasons in it: what `spindle envoy config` prints, and what
 * the files of envoy/ are made of. docs/envoy.md tells each setting at length.
 */
import { clusters } from './clusters.ts'
import { listeners } from './listeners.ts'
import type { SidecarSettings } from './settings.ts'
import { block, scalar } from './text.ts'

export function renderSidecar(settings: SidecarSettings): string {
  const { nodeId, service, adminPort } = settings
  return `${about(settings)}
node: { id: ${scalar(nodeId)}, cluster: ${scalar(service)} }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${adminPort} } } }
static_resources:
  listeners:
${block(4, listeners(settings))}
  clusters:
${block(4, clusters(settings))}
`
}

function about({ variant, onDemand, federated, command }: SidecarSettings): string {
  const over = variant === 'delta' ? 'Delta SDS' : 'state-of-the-world SDS'
  const traits = [
    ...(federated
      ? ['It trusts other trust domains too: `ALL` holds each with its own roots.']
      : []),
    ...(onDemand
      ? ['Its listener is active before its certificate is there: a handshake waits for it.']
      : []),
  ]
  return [
    `A sidecar that takes its secrets from Spindle over ${over}.`,
    ...traits,
    `Printed by: ${command}`,
  ]
    .map((line) => `# ${line}`)
    .join('\n')
}
