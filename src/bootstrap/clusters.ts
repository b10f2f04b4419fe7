import type { Address, SidecarSettings } from './settings.ts'
import { AGENT_CLUSTER } from './settings.ts'
import { block, scalar } from './text.ts'
import { upstreamTls } from './tls.ts'

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

export function clusters(settings: SidecarSettings): string {
  const { appPort, outbound, socket } = settings
  const app = { host: '127.0.0.1', port: appPort, isName: false }
  return [
    `\
- name: app
  type: STATIC
  connect_timeout: 1s
${block(2, endpoint('app', socketAddress(app)))}`,
    ...(outbound === undefined ? [] : [peer(settings, outbound.peer)]),
    `\
# The agent: one Unix socket on every host.
- name: ${AGENT_CLUSTER}
  type: STATIC
  connect_timeout: 1s
  typed_extension_protocol_options:
    ${HTTP_OPTIONS}:
      '@type': type.googleapis.com/${HTTP_OPTIONS}
      explicit_http_config:
        # Notices an agent that hangs.
        http2_protocol_options: { connection_keepalive: { interval: 30s, timeout: 5s } }
  # Each secret is a stream, and Envoy counts streams as requests: the default allows 1,024.
  circuit_breakers: { thresholds: [{ max_requests: 100000 }] }
${block(2, endpoint(AGENT_CLUSTER, `{ pipe: { path: ${scalar(socket)} } }`))}`,
  ].join('\n')
}

function peer(settings: SidecarSettings, address: Address): string {
  return `\
- name: peer
  type: ${address.isName ? 'STRICT_DNS' : 'STATIC'}
  connect_timeout: 1s
  typed_extension_protocol_options:
    ${HTTP_OPTIONS}:
      '@type': type.googleapis.com/${HTTP_OPTIONS}
      common_http_protocol_options: { max_connection_duration: 1800s }
      explicit_http_config: { http_protocol_options: {} }
${block(2, endpoint('peer', socketAddress(address)))}
  transport_socket:
${block(4, upstreamTls(settings))}`
}

const socketAddress = ({ host, port }: Address): string =>
  `{ socket_address: { address: ${scalar(host)}, port_value: ${port} } }`

function endpoint(cluster: string, address: string): string {
  return `\
load_assignment:
  cluster_name: ${cluster}
  endpoints:
    - lb_endpoints:
        - endpoint: { address: ${address} }`
}
