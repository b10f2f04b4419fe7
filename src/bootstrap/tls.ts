/** Where secrets come from, and whom to believe. */
import type { Peers, SidecarSettings } from './settings.ts'
import { AGENT_CLUSTER } from './settings.ts'
import { block, scalar } from './text.ts'

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls'

/** The one source of all secrets, to be written once and referred to: a copy that differs is a stream of its own. */
function source({ variant }: SidecarSettings): string {
  return `\
resource_api_version: V3
# A secret that is missing blocks every static listener for this long; never write 0s.
initial_fetch_timeout: 15s
api_config_source:
  api_type: ${variant === 'delta' ? 'DELTA_GRPC' : 'GRPC'}
  transport_api_version: V3
  # Else every acknowledgement carries 61 KB of node description.
  set_node_on_first_message_only: true
  grpc_services:
    - envoy_grpc:
        cluster_name: ${AGENT_CLUSTER}
        # The default waits up to 30 s for each secret after the agent was away.
        retry_policy:
          retry_back_off: { base_interval: 0.1s, max_interval: 1s }`
}

/** The TLS context of a listener; it has the anchor \`&spindle\` that all other parts refer to. */
export function downstreamTls(settings: SidecarSettings): string {
  const certificate = settings.onDemand ? selector(settings) : firstCertificate(settings)
  const resumption = settings.onDemand
    ? `
# The selector of certificates asks for both.
disable_stateless_session_resumption: true
disable_stateful_session_resumption: true`
    : ''
  return `\
name: envoy.transport_sockets.tls
typed_config:
  '@type': ${TLS}.v3.DownstreamTlsContext
  require_client_certificate: true${block(2, resumption)}
  common_tls_context:
    tls_params: { tls_minimum_protocol_version: TLSv1_3 }
${block(4, certificate)}
    combined_validation_context:
      # Who may call. It also turns an empty validation context into a refusal instead of no verification.
${block(6, validation(settings, settings.mayCall))}`
}

export function upstreamTls(settings: SidecarSettings): string {
  return `\
name: envoy.transport_sockets.tls
typed_config:
  '@type': ${TLS}.v3.UpstreamTlsContext
  common_tls_context:
    # Of a client the maximum is 1.2 unless it is written.
    tls_params:
      tls_minimum_protocol_version: TLSv1_3
      tls_maximum_protocol_version: TLSv1_3
    tls_certificate_sds_secret_configs: [{ name: default, sds_config: *spindle }]
    combined_validation_context:
      # Whom the application may reach.
${block(6, validation(settings, settings.mayBeCalled))}`
}

function firstCertificate(settings: SidecarSettings): string {
  return `\
tls_certificate_sds_secret_configs:
  - name: default
    sds_config: &spindle
${block(6, source(settings))}`
}

function selector(settings: SidecarSettings): string {
  return `\
custom_tls_certificate_selector:
  name: on-demand
  typed_config:
    '@type': ${TLS}.cert_selectors.on_demand_secret.v3.Config
    config_source: &spindle
${block(6, source(settings))}
    prefetch_secret_names: [default]
    # A fixed name: a mapper of the SNI would let strangers choose names, a stream for each.
    certificate_mapper:
      name: static
      typed_config:
        '@type': ${TLS}.cert_mappers.static_name.v3.StaticName
        name: default`
}

function validation({ federated }: SidecarSettings, peers: Peers): string {
  const matchers =
    peers.kind === 'exact'
      ? peers.spiffeIds.map((id) => `{ exact: ${scalar(id)} }`)
      : peers.trustDomains.map((name) => `{ prefix: ${scalar(`spiffe://${name}/`)} }`)
  const widely =
    peers.kind === 'exact'
      ? ''
      : '\n    # The whole trust domain; write `exact` for those you mean.'
  return `\
default_validation_context:
  match_typed_subject_alt_names:${widely}
${matchers.map((matcher) => `    - { san_type: URI, matcher: ${matcher} }`).join('\n')}
validation_context_sds_secret_config: { name: ${federated ? 'ALL' : 'ROOTCA'}, sds_config: *spindle }`
}
