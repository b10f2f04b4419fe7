/** One of the bootstrap configurations of `envoy/` with the addresses and names of a run put in. */
import { parse } from 'yaml'

export interface Sidecar {
  readonly nodeId: string
  /** The agent's socket. */
  readonly agentSocket: string
  /** 0 lets Envoy choose. */
  readonly inboundPort: number
  readonly outboundPort: number
  /** Where the application behind this sidecar listens. */
  readonly appPort: number
  /** The inbound listener of the peer's sidecar. */
  readonly peerPort: number
  /** SPIFFE IDs that may call the inbound listener; undefined keeps those of the file. */
  readonly mayCall?: readonly string[]
  /** Names of the certificate and of the bundle to ask for; undefined keeps those of the file. */
  readonly certificateName?: string
  readonly bundleName?: string
  /** Requests to the peer on one connection, each of which is a TLS handshake; undefined sets no limit. */
  readonly requestsPerConnection?: number
}

/** The parts of a bootstrap configuration that are changed here. */
interface Bootstrap {
  node: unknown
  admin: unknown
  static_resources: { listeners: Listener[]; clusters: Cluster[] }
}
interface Listener {
  name: string
  address: unknown
}
interface Cluster {
  name: string
  typed_extension_protocol_options?: Record<
    string,
    { common_http_protocol_options?: Record<string, unknown> }
  >
  load_assignment: { endpoints: [{ lb_endpoints: [{ endpoint: { address: unknown } }] }] }
}

function address(port: number): unknown {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}

function named<T extends { name: string }>(list: readonly T[], name: string): T {
  const found = list.find((item) => item.name === name)
  if (found === undefined) throw new Error(`the bootstrap configuration has no ${name}`)
  return found
}

function pointTo(cluster: Cluster, to: unknown): void {
  cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address = to
}

/** Calls `visit` for every object of a tree, once each though anchors share them. */
function eachObject(tree: unknown, visit: (value: Record<string, unknown>) => void): void {
  const seen = new Set<unknown>()
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (!Array.isArray(value)) visit(value as Record<string, unknown>)
    Object.values(value).forEach(walk)
  }
  walk(tree)
}

/** `template` is the text of a file of `envoy/`; the result is JSON, which Envoy reads as YAML. */
export function renderBootstrap(template: string, sidecar: Sidecar): string {
  const config = parse(template) as Bootstrap
  config.node = { id: sidecar.nodeId, cluster: sidecar.nodeId }
  config.admin = { address: address(0) }
  const { listeners, clusters } = config.static_resources
  const inbound = named(listeners, 'inbound')
  inbound.address = address(sidecar.inboundPort)
  named(listeners, 'outbound').address = address(sidecar.outboundPort)
  pointTo(named(clusters, 'app'), address(sidecar.appPort))
  const peer = named(clusters, 'peer')
  pointTo(peer, address(sidecar.peerPort))
  if (sidecar.requestsPerConnection !== undefined)
    for (const options of Object.values(peer.typed_extension_protocol_options ?? {}))
      options.common_http_protocol_options = {
        ...options.common_http_protocol_options,
        max_requests_per_connection: sidecar.requestsPerConnection,
      }
  pointTo(named(clusters, 'spindle_agent'), { pipe: { path: sidecar.agentSocket } })
  const { mayCall } = sidecar
  if (mayCall !== undefined)
    eachObject(inbound, (value) => {
      if (Object.hasOwn(value, 'match_typed_subject_alt_names'))
        value['match_typed_subject_alt_names'] = mayCall.map((id) => ({
          san_type: 'URI',
          matcher: { exact: id },
        }))
    })
  rename(config, sidecar)
  return JSON.stringify(config, null, 2)
}

function rename(config: Bootstrap, { certificateName, bundleName }: Sidecar): void {
  eachObject(config, (value) => {
    const certificates = value['tls_certificate_sds_secret_configs'] as
      { name: string }[] | undefined
    if (certificates?.[0] !== undefined && certificateName !== undefined)
      certificates[0].name = certificateName
    const bundle = value['validation_context_sds_secret_config'] as { name: string } | undefined
    if (bundle !== undefined && bundleName !== undefined) bundle.name = bundleName
  })
}
