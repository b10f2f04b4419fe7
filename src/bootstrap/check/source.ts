/** How secrets are asked for: the ConfigSource of each. */
import type { Finding } from './finding.ts'
import { fail, warn } from './finding.ts'
import type { Place } from './place.ts'
import type { SecretUse } from './uses.ts'
import { distinctSources } from './uses.ts'

const ADS_FIX =
  'Write an api_config_source of type DELTA_GRPC that names the cluster of the agent instead.'

export function sourceFindings(uses: readonly SecretUse[]): readonly Finding[] {
  const ads = uses.filter(({ source }) => source.has('ads'))
  const others = uses.filter(({ source }) => source.has('api_config_source'))
  return [
    ...ads.map(({ source }) =>
      source.path.startsWith('static_resources.clusters')
        ? fail(
            'api',
            source,
            'A static cluster that takes a secret over ADS crashes Envoy 1.40 at its start.',
            ADS_FIX,
          )
        : fail('api', source, 'The agent serves SDS on streams of its own, and no ADS.', ADS_FIX),
    ),
    ...distinctSources(others).flatMap(oneSource),
    ...differing(others),
  ]
}

function oneSource(source: Place): readonly Finding[] {
  return [
    ...versions(source),
    ...kind(source),
    ...node(source),
    ...timeout(source),
    ...backoff(source),
  ]
}

function versions(source: Place): readonly Finding[] {
  const transport = source.at('api_config_source', 'transport_api_version')
  return [source.at('resource_api_version'), transport].flatMap((place) => {
    if (place.value === 'V3' || place.value === 2) return []
    const fix = 'Write V3, the only version there is.'
    if (place === transport && (place.value === 'V2' || place.value === 1))
      return [fail('api', place, 'Envoy refuses a configuration with version 2.', fix)]
    return [warn('api', place, 'It is not V3; Envoy 1.40 takes it for V3, others refuse it.', fix)]
  })
}

/** By name and by number (envoy.config.core.v3.ApiConfigSource.ApiType). */
const SERVED: readonly unknown[] = ['GRPC', 2, 'DELTA_GRPC', 3]

function kind(source: Place): readonly Finding[] {
  const place = source.at('api_config_source', 'api_type')
  if (SERVED.includes(place.value)) return []
  const what = place.value === 'REST' || place.value === 1 ? 'REST polling' : 'this type'
  return [fail('api', place, `The agent does not serve ${what}.`, 'Write DELTA_GRPC.')]
}

function node(source: Place): readonly Finding[] {
  const place = source.at('api_config_source', 'set_node_on_first_message_only')
  if (place.value === true) return []
  return [
    warn(
      'node',
      place,
      'Envoy describes itself in 61 KB, and without this does so in every acknowledgement.',
      'Write true.',
    ),
  ]
}

function timeout(source: Place): readonly Finding[] {
  const place = source.at('initial_fetch_timeout')
  if (place.seconds !== 0) return []
  return [
    fail(
      'fetch-timeout',
      place,
      '0s means for ever: one secret that is missing, and no static listener of this Envoy ever starts.',
      'Write 15s, or leave it out.',
    ),
  ]
}

const LONGEST_BACKOFF_S = 1
/** What Envoy takes where nothing is written, and of a base without a maximum. */
const DEFAULT_MAX_S = 30
const MAX_OF_BASE = 10

function backoff(source: Place): readonly Finding[] {
  const [service] = source.at('api_config_source', 'grpc_services').items()
  if (service === undefined) return []
  if (service.has('google_grpc'))
    return [
      warn(
        'backoff',
        service.at('google_grpc'),
        'With google_grpc secrets came back 17 to 28 s after the agent did.',
        'Use envoy_grpc with a retry_policy.',
      ),
    ]
  const place = service.at('envoy_grpc', 'retry_policy', 'retry_back_off', 'max_interval')
  const base = service.at('envoy_grpc', 'retry_policy', 'retry_back_off', 'base_interval').seconds
  const max = place.seconds ?? (base === undefined ? DEFAULT_MAX_S : base * MAX_OF_BASE)
  if (max <= LONGEST_BACKOFF_S) return []
  return [
    warn(
      'backoff',
      place,
      `Each secret is a stream with a backoff of its own, here up to ${max} s: so long can some stay away after the agent is back.`,
      'Write retry_back_off: { base_interval: 0.1s, max_interval: 1s }.',
    ),
  ]
}

/** Envoy shares a stream between uses of one name only where their sources are equal. */
function differing(uses: readonly SecretUse[]): readonly Finding[] {
  const byName = Map.groupBy(uses, ({ role, name }) => `${role} ${name}`)
  return [...byName.values()].flatMap((same) => {
    const [first, ...others] = distinctSources(same)
    return others.map((source) =>
      warn(
        'subscription',
        source,
        `It differs from ${first?.path}, which asks for the same ${same[0]?.name}: Envoy opens a second subscription.`,
        'Make them equal, as a YAML anchor does.',
      ),
    )
  })
}
