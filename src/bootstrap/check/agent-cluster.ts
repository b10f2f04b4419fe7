/** The way to the agent: the cluster that the sources of secrets name. */
import type { AgentFacts, Finding } from './finding.ts'
import { fail, warn } from './finding.ts'
import type { Place } from './place.ts'
import type { SecretUse } from './uses.ts'
import { addressesOf, clusterNamed, clusterNameOf } from './uses.ts'

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** By what names it first, each cluster that secrets come from; '' where it is not there. */
function agentClusters(
  root: Place,
  uses: readonly SecretUse[],
): ReadonlyMap<Place, Place | undefined> {
  const byName = new Map<string, Place>()
  for (const { source } of uses) {
    const name = clusterNameOf(source)
    if (name !== '' && !byName.has(name)) byName.set(name, source)
  }
  return new Map([...byName].map(([name, source]) => [source, clusterNamed(root, name)]))
}

export function agentClusterFindings(
  root: Place,
  uses: readonly SecretUse[],
  { socket }: AgentFacts,
): readonly Finding[] {
  return [...agentClusters(root, uses)].flatMap(([source, cluster]) => {
    if (cluster === undefined)
      return [
        fail(
          'agent-cluster',
          source,
          `There is no cluster ${clusterNameOf(source)} in static_resources.clusters.`,
          "Add it, with the agent's socket as its address.",
        ),
      ]
    return [
      ...address(cluster, socket),
      ...transport(cluster),
      ...protocol(cluster),
      ...streams(cluster),
    ]
  })
}

/** Where the cluster of the agent leads to. */
export function agentPipes(root: Place, uses: readonly SecretUse[]): readonly Place[] {
  const pipes = [...agentClusters(root, uses).values()].flatMap((cluster) =>
    cluster === undefined ? [] : addressesOf(cluster).map((each) => each.at('pipe', 'path')),
  )
  return pipes.filter(({ text }) => text !== '')
}

function address(cluster: Place, socket: string | undefined): readonly Finding[] {
  const addresses = addressesOf(cluster)
  const [first] = addresses
  const fix = `Write address: { pipe: { path: ${socket ?? 'SOCKET'} } }.`
  if (first === undefined)
    return [fail('agent-cluster', cluster.at('load_assignment'), 'It has no address.', fix)]
  return addresses.flatMap((each) => {
    const path = each.at('pipe', 'path')
    if (path.text === '')
      return [
        fail('agent-cluster', each, 'The agent listens on a Unix socket and nowhere else.', fix),
      ]
    if (socket === undefined || path.text === socket) return []
    return [
      fail(
        'agent-cluster',
        path,
        `${path.text} is not the agent's socket, which is ${socket}.`,
        fix,
      ),
    ]
  })
}

function transport(cluster: Place): readonly Finding[] {
  const place = cluster.at('transport_socket')
  if (!place.isThere || place.at('typed_config').type === 'RawBuffer') return []
  const reason = 'The agent speaks no TLS on its socket: the kernel says who calls.'
  return [fail('agent-cluster', place, reason, 'Remove it.')]
}

function protocol(cluster: Place): readonly Finding[] {
  const options = cluster.at('typed_extension_protocol_options', HTTP_OPTIONS)
  const explicit = options.at('explicit_http_config', 'http2_protocol_options')
  const http2 = [explicit, cluster.at('http2_protocol_options')].find((place) => place.isThere)
  if (http2 === undefined)
    return [
      fail(
        'http2',
        explicit,
        'gRPC is HTTP/2, and without it Envoy speaks HTTP/1.1 to the agent: no secret ever comes.',
        'Write explicit_http_config: { http2_protocol_options: {} }.',
      ),
    ]
  const interval = http2.at('connection_keepalive', 'interval')
  if ((interval.seconds ?? 0) > 0) return []
  return [
    warn(
      'keepalive',
      interval,
      'An agent that hangs is not noticed, and secrets are awaited on a dead connection.',
      'Write connection_keepalive: { interval: 30s, timeout: 5s }.',
    ),
  ]
}

/** Envoy's default, which 1,025 secrets exceed. */
const DEFAULT_MAX_REQUESTS = 1024

function streams(cluster: Place): readonly Finding[] {
  const thresholds = cluster.at('circuit_breakers', 'thresholds')
  const isDefault = (each: Place): boolean =>
    [undefined, 'DEFAULT', 0].includes(each.at('priority').value as string)
  const place = thresholds.items().find(isDefault)?.at('max_requests')
  if (Number(place?.value ?? 0) > DEFAULT_MAX_REQUESTS) return []
  return [
    warn(
      'streams',
      place ?? thresholds,
      'Each secret is a stream, and Envoy counts streams as requests: beyond 1,024 secrets the rest are never asked for.',
      'Write circuit_breakers: { thresholds: [{ max_requests: 100000 }] }.',
    ),
  ]
}
