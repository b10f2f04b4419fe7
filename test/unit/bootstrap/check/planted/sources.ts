import type { Planted } from './fault.ts'
import { API, BACKOFF, SOURCE, UPSTREAM, VALIDATION, locate, put } from './fault.ts'

export const SOURCES: readonly Planted[] = [
  {
    what: 'no node on first message only',
    check: 'node',
    level: 'warn',
    path: `${API}.set_node_on_first_message_only`,
    says: /61 KB/,
  },
  {
    what: 'no retry policy',
    check: 'backoff',
    level: 'warn',
    path: `${BACKOFF}.max_interval`,
    plant: (c) => put(c, `${API}.grpc_services[0].envoy_grpc.retry_policy`, undefined),
    says: /up to 30 s/,
  },
  {
    what: 'a base interval alone',
    check: 'backoff',
    level: 'warn',
    path: `${BACKOFF}.max_interval`,
    plant: (c) => put(c, BACKOFF, { base_interval: '0.5s' }),
    says: /up to 5 s/,
  },
  {
    what: 'a long backoff',
    check: 'backoff',
    level: 'warn',
    path: `${BACKOFF}.max_interval`,
    value: '10s',
    says: /up to 10 s/,
  },
  {
    what: 'google_grpc',
    check: 'backoff',
    level: 'warn',
    path: `${API}.grpc_services[0].google_grpc`,
    plant: (c) =>
      put(c, `${API}.grpc_services[0]`, {
        google_grpc: { target_uri: 'unix:///run/spindle/agent.sock' },
      }),
    says: /17 to 28 s/,
  },
  {
    what: 'initial_fetch_timeout 0s',
    check: 'fetch-timeout',
    level: 'fail',
    path: `${SOURCE}.initial_fetch_timeout`,
    value: '0s',
    says: /for ever/,
  },
  {
    what: 'no resource version',
    check: 'api',
    level: 'warn',
    path: `${SOURCE}.resource_api_version`,
    says: /V3/,
  },
  {
    what: 'transport version 2',
    check: 'api',
    level: 'fail',
    path: `${API}.transport_api_version`,
    value: 'V2',
    says: /refuses/,
  },
  {
    what: 'REST',
    check: 'api',
    level: 'fail',
    path: `${API}.api_type`,
    value: 'REST',
    says: /REST polling/,
  },
  {
    what: 'an aggregated type',
    check: 'api',
    level: 'fail',
    path: `${API}.api_type`,
    value: 'AGGREGATED_GRPC',
    says: /does not serve/,
  },
  {
    what: 'ADS on a static cluster',
    check: 'api',
    level: 'fail',
    path: `${UPSTREAM}.tls_certificate_sds_secret_configs[0].sds_config`,
    value: { ads: {}, resource_api_version: 'V3' },
    says: /crashes Envoy 1\.40/,
  },
  {
    what: 'ADS on a listener',
    check: 'api',
    level: 'fail',
    path: `${VALIDATION}.validation_context_sds_secret_config.sds_config`,
    value: { ads: {}, resource_api_version: 'V3' },
    says: /no ADS/,
  },
  {
    what: 'a second source for one name',
    check: 'subscription',
    level: 'warn',
    path: `${UPSTREAM}.tls_certificate_sds_secret_configs[0].sds_config`,
    plant: (c) => {
      const [parent, key] = locate(
        c,
        `${UPSTREAM}.tls_certificate_sds_secret_configs[0].sds_config`,
      )
      parent[key] = { ...structuredClone(parent[key]), initial_fetch_timeout: '14s' }
    },
    says: /second subscription/,
  },
]
