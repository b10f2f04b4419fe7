/** For how long a connection may outlive the certificates of its handshake. */
import type { Finding } from './finding.ts'
import { warn } from './finding.ts'
import type { Place } from './place.ts'

const REASON =
  'An open connection keeps the certificates of its handshake, however often they are renewed and whatever becomes of the entry.'
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** Of listeners and clusters in which a TLS context takes a certificate from the agent (`paths`). */
export function connectionFindings(root: Place, paths: readonly string[]): readonly Finding[] {
  const uses = (place: Place): boolean => paths.some((path) => path.startsWith(`${place.path}.`))
  const resources = root.at('static_resources')
  const chains = resources
    .at('listeners')
    .items()
    .flatMap((listener) => [
      ...listener.at('filter_chains').items(),
      listener.at('default_filter_chain'),
    ])
  return [
    ...chains.filter(uses).flatMap(chainFindings),
    ...resources.at('clusters').items().filter(uses).flatMap(clusterFindings),
  ]
}

function chainFindings(chain: Place): readonly Finding[] {
  return chain
    .at('filters')
    .items()
    .map((filter) => filter.at('typed_config'))
    .flatMap((filter) => {
      const place =
        filter.type === 'HttpConnectionManager'
          ? filter.at('common_http_protocol_options', 'max_connection_duration')
          : filter.type === 'TcpProxy'
            ? filter.at('max_downstream_connection_duration')
            : undefined
      return place === undefined ? [] : unbounded(place)
    })
}

function clusterFindings(cluster: Place): readonly Finding[] {
  const old = cluster.at('common_http_protocol_options', 'max_connection_duration')
  if (old.isThere) return unbounded(old)
  const options = cluster.at('typed_extension_protocol_options', HTTP_OPTIONS)
  return unbounded(options.at('common_http_protocol_options', 'max_connection_duration'))
}

function unbounded(place: Place): readonly Finding[] {
  if ((place.seconds ?? 0) > 0) return []
  return [warn('connection-age', place, REASON, 'Write 1800s.')]
}
