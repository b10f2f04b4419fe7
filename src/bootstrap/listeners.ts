import type { SidecarSettings } from './settings.ts'
import { block } from './text.ts'
import { downstreamTls } from './tls.ts'

export function listeners(settings: SidecarSettings): string {
  const { inboundPort, outbound } = settings
  const inbound = `\
# Callers reach the application through here, over mutual TLS.
- name: inbound
  address: { socket_address: { address: 0.0.0.0, port_value: ${inboundPort} } }
  filter_chains:
    - transport_socket:
${block(8, downstreamTls(settings))}
      filters:
${block(8, httpTo('app', { name: 'inbound', isLimited: true }))}`
  if (outbound === undefined) return inbound
  return `${inbound}
# The application reaches its peer through here, in plain HTTP on loopback.
- name: outbound
  address: { socket_address: { address: 127.0.0.1, port_value: ${outbound.port} } }
  filter_chains:
    - filters:
${block(8, httpTo('peer', { name: 'outbound', isLimited: false }))}`
}

function httpTo(
  cluster: string,
  { name, isLimited }: { readonly name: string; readonly isLimited: boolean },
): string {
  const limit = isLimited
    ? `
# Open connections keep the certificates of their handshake: this bounds for how long.
common_http_protocol_options: { max_connection_duration: 1800s }`
    : ''
  return `\
- name: envoy.filters.network.http_connection_manager
  typed_config:
    '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
    stat_prefix: ${name}${block(4, limit)}
    route_config:
      virtual_hosts:
        - name: ${cluster}
          domains: ['*']
          routes: [{ match: { prefix: / }, route: { cluster: ${cluster} } }]
    http_filters:
      - name: envoy.filters.http.router
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router`
}
