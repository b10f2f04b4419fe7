/** What a fault of a configuration is planted with. Paths are those of envoy/sidecar-delta.yaml. */
import type { AgentFacts, Check } from '../../../../../src/bootstrap/check/finding.ts'

export type Json = any // eslint-disable-line @typescript-eslint/no-explicit-any

export const LISTENER = 'static_resources.listeners[0].filter_chains[0]'
export const DOWNSTREAM = `${LISTENER}.transport_socket.typed_config`
export const CERTIFICATE = `${DOWNSTREAM}.common_tls_context.tls_certificate_sds_secret_configs[0]`
export const VALIDATION = `${DOWNSTREAM}.common_tls_context.combined_validation_context`
export const PEER = 'static_resources.clusters[1]'
export const UPSTREAM = `${PEER}.transport_socket.typed_config.common_tls_context`
export const CLUSTER = 'static_resources.clusters[2]'
export const OPTIONS =
  'typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]'
export const SOURCE = `${CERTIFICATE}.sds_config`
export const API = `${SOURCE}.api_config_source`
export const BACKOFF = `${API}.grpc_services[0].envoy_grpc.retry_policy.retry_back_off`

/** The object a path leads to, with the key of the last step. */
export function locate(config: Json, path: string): readonly [Json, string | number] {
  const steps = Array.from(path.matchAll(/\["([^"]+)"\]|\[(\d+)\]|([^.[\]]+)/g), (m) =>
    m[2] === undefined ? (m[1] ?? m[3]!) : Number(m[2]),
  )
  const last = steps.pop()!
  return [steps.reduce((value, step) => (value[step] ??= {}), config), last]
}

export function put(config: Json, path: string, value: unknown): void {
  const [parent, key] = locate(config, path)
  if (value === undefined) delete parent[key]
  else parent[key] = value
}

export interface Planted {
  readonly what: string
  readonly check: Check
  readonly level: 'warn' | 'fail'
  /** Of the finding, and of what is planted there if `plant` does not say otherwise. */
  readonly path: string
  /** Another value at `path`; undefined removes it. */
  readonly value?: unknown
  readonly plant?: (config: Json) => void
  readonly agent?: Partial<AgentFacts>
  readonly file?: string
  readonly says: RegExp
}
