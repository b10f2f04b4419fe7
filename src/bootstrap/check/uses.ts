/** Where a configuration asks for secrets: TLS contexts, the names in them, and the sources those come from. */
import { Place } from './place.ts'

export interface TlsContext {
  readonly side: 'downstream' | 'upstream'
  /** The DownstreamTlsContext or UpstreamTlsContext. */
  readonly place: Place
  readonly common: Place
}

export interface SecretUse {
  readonly role: 'certificate' | 'validation' | 'other'
  readonly side: 'downstream' | 'upstream' | 'elsewhere'
  /** Where the name is. */
  readonly place: Place
  readonly name: string
  /** The ConfigSource. */
  readonly source: Place
  /** Whether the certificate is asked for when a handshake needs it. */
  readonly isOnDemand: boolean
}

export function tlsContexts(root: Place): readonly TlsContext[] {
  const found: TlsContext[] = []
  for (const place of root.objects()) {
    const common = place.at('common_tls_context')
    if (!common.isThere) continue
    const isUpstream =
      place.type === 'UpstreamTlsContext' ||
      (place.type !== 'DownstreamTlsContext' && place.path.startsWith('static_resources.clusters'))
    found.push({ side: isUpstream ? 'upstream' : 'downstream', place, common })
  }
  return found
}

/** All uses of SDS: those of TLS contexts first, then whatever else has an `sds_config`. */
export function secretUses(root: Place, contexts: readonly TlsContext[]): readonly SecretUse[] {
  const uses = contexts.flatMap(usesOfContext)
  const known = new Set(uses.map(({ source }) => source.path))
  for (const place of root.objects()) {
    const source = place.at('sds_config')
    if (!source.isThere || known.has(source.path)) continue
    uses.push({ ...secretAt(place, 'other'), side: 'elsewhere' })
  }
  return uses
}

function usesOfContext({ side, common }: TlsContext): SecretUse[] {
  const certificates = common.at('tls_certificate_sds_secret_configs').items()
  const selector = common.at('custom_tls_certificate_selector', 'typed_config')
  const validations = [
    common.at('validation_context_sds_secret_config'),
    common.at('combined_validation_context', 'validation_context_sds_secret_config'),
  ].filter((place) => place.isThere)
  return [
    ...certificates.map((place) => ({ ...secretAt(place, 'certificate'), side })),
    ...(selector.has('config_source') ? [{ ...onDemand(selector), side }] : []),
    ...validations.map((place) => ({ ...secretAt(place, 'validation'), side })),
  ]
}

function secretAt(place: Place, role: SecretUse['role']): Omit<SecretUse, 'side'> {
  const name = place.at('name')
  return { role, place: name, name: name.text, source: place.at('sds_config'), isOnDemand: false }
}

/** A selector with a mapper of a fixed name; of others the names are the callers'. */
function onDemand(selector: Place): Omit<SecretUse, 'side'> {
  const name = selector.at('certificate_mapper', 'typed_config', 'name')
  const source = selector.at('config_source')
  return { role: 'certificate', place: name, name: name.text, source, isOnDemand: true }
}

/** The cluster a source's gRPC goes to; '' where there is none. */
export function clusterNameOf(source: Place): string {
  const [service] = source.at('api_config_source', 'grpc_services').items()
  return service?.at('envoy_grpc', 'cluster_name').text ?? ''
}

/** What a source that several places share says, once, at the first of them. */
export function distinctSources(uses: readonly SecretUse[]): readonly Place[] {
  const byContent = new Map<string, Place>()
  for (const { source } of uses)
    if (!byContent.has(source.content)) byContent.set(source.content, source)
  return [...byContent.values()]
}

export function clusterNamed(root: Place, name: string): Place | undefined {
  return root
    .at('static_resources', 'clusters')
    .items()
    .find((cluster) => cluster.at('name').text === name)
}

export function addressesOf(cluster: Place): readonly Place[] {
  return cluster
    .at('load_assignment', 'endpoints')
    .items()
    .flatMap((locality) => locality.at('lb_endpoints').items())
    .map((one) => one.at('endpoint', 'address'))
}

/** Uses of the agent; where some go over a Unix socket, those that do not are another server's. */
export function usesOfAgent(root: Place, uses: readonly SecretUse[]): readonly SecretUse[] {
  const isPipe = ({ source }: SecretUse): boolean => {
    const cluster = clusterNamed(root, clusterNameOf(source))
    return cluster !== undefined && addressesOf(cluster).some((address) => address.has('pipe'))
  }
  const isRemote = (use: SecretUse): boolean =>
    use.source.has('api_config_source') && clusterNameOf(use.source) !== '' && !isPipe(use)
  // Files are no SDS server.
  const served = uses.filter(
    ({ source }) => !source.has('path_config_source') && !source.has('path'),
  )
  const hasPipe = served.some(isPipe)
  return served.filter((use) => !(hasPipe && isRemote(use)))
}
