/** TLS contexts: who is let in and reached, and by what version. */
import type { Finding } from './finding.ts'
import { fail, warn } from './finding.ts'
import type { Place } from './place.ts'
import type { TlsContext } from './uses.ts'

/** Of contexts that take their certificate from the agent. */
export function contextFindings(contexts: readonly TlsContext[]): readonly Finding[] {
  return contexts.flatMap((context) => [
    ...validation(context),
    ...clientCertificate(context),
    ...version(context),
    ...certificates(context),
    ...onDemand(context),
  ])
}

const FAIL_OPEN =
  'Envoy takes an empty context from SDS, of whatever origin, and stops verifying peers; a SAN matcher beside it makes Envoy refuse it. And a bundle alone lets in every workload it holds.'
const MATCHER = 'match_typed_subject_alt_names: [{ san_type: URI, matcher: { exact: SPIFFE-ID } }]'

function validation({ side, common }: TlsContext): readonly Finding[] {
  const alone = common.at('validation_context_sds_secret_config')
  const combined = common.at('combined_validation_context')
  if (alone.isThere)
    return [
      fail(
        'validation',
        alone,
        FAIL_OPEN,
        `Write combined_validation_context, with default_validation_context: { ${MATCHER} } in it.`,
      ),
    ]
  if (!combined.isThere) {
    if (common.has('validation_context')) return []
    const reason =
      side === 'upstream'
        ? 'It verifies nobody: whoever answers is believed.'
        : 'It asks callers for nothing: everybody may call.'
    const fix = 'Write a combined_validation_context.'
    return [(side === 'upstream' ? fail : warn)('validation', combined, reason, fix)]
  }
  const standing = combined.at('default_validation_context')
  const matchers = matchersOf(standing)
  if (matchers.length === 0)
    return [
      fail(
        'validation',
        standing.at('match_typed_subject_alt_names'),
        FAIL_OPEN,
        `Write default_validation_context: { ${MATCHER} }.`,
      ),
    ]
  return matchers.flatMap(openPrefix)
}

function matchersOf(context: Place): readonly Place[] {
  const typed = context.at('match_typed_subject_alt_names').items()
  return typed.length > 0 ? typed : context.at('match_subject_alt_names').items()
}

/** `spiffe://example.org` is also how `spiffe://example.org.evil.test/x` begins. */
function openPrefix(matcher: Place): readonly Finding[] {
  const place = matcher.at('matcher').isThere
    ? matcher.at('matcher', 'prefix')
    : matcher.at('prefix')
  if (!place.isThere || /^spiffe:\/\/[^/]+\//.test(place.text)) return []
  return [
    fail(
      'validation',
      place,
      `The prefix ${place.text} does not end the name of the trust domain: others that begin so match as well.`,
      'Write the slash behind the trust domain, or exact.',
    ),
  ]
}

function clientCertificate({ side, place, common }: TlsContext): readonly Finding[] {
  const verifies = ['combined_validation_context', 'validation_context_sds_secret_config'].some(
    (name) => common.has(name),
  )
  const demanded = place.at('require_client_certificate')
  if (side === 'upstream' || !verifies || demanded.value === true) return []
  return [
    fail(
      'client-certificate',
      demanded,
      'A caller that shows no certificate has nothing to be verified.',
      'Write true.',
    ),
  ]
}

const NEWEST: readonly unknown[] = ['TLSv1_3', 4]

function version({ side, common }: TlsContext): readonly Finding[] {
  const params = common.at('tls_params')
  const least = params.at('tls_minimum_protocol_version')
  const most = params.at('tls_maximum_protocol_version')
  const is13 = NEWEST.includes(least.value)
  if (side === 'upstream' && !NEWEST.includes(most.value))
    return [
      (is13 ? fail : warn)(
        'tls-version',
        most,
        'The maximum of a client is TLS 1.2 unless it is written: it cannot talk to a peer that demands 1.3, nor to any if 1.3 is its own minimum.',
        'Write TLSv1_3, as minimum and as maximum.',
      ),
    ]
  if (is13) return []
  return [warn('tls-version', least, 'TLS below 1.3 is accepted.', 'Write TLSv1_3.')]
}

function certificates({ side, common }: TlsContext): readonly Finding[] {
  const list = common.at('tls_certificate_sds_secret_configs')
  if (side === 'downstream' || list.items().length < 2) return []
  const reason = 'Envoy refuses a configuration with several certificates for one client.'
  return [fail('names', list, reason, 'Leave one.')]
}

function onDemand({ common }: TlsContext): readonly Finding[] {
  const selector = common.at('custom_tls_certificate_selector', 'typed_config')
  if (!selector.has('config_source')) return []
  const mapper = selector.at('certificate_mapper', 'typed_config')
  const kind = selector.at('config_source', 'api_config_source', 'api_type')
  return [
    ...(mapper.type.toLowerCase() === 'sni'
      ? [
          fail(
            'on-demand',
            mapper,
            'It asks for whatever name a client sends, before the client is known: strangers open a stream for each, and nothing in Envoy bounds them.',
            'Use the mapper static_name.',
          ),
        ]
      : []),
    ...(kind.value === 'GRPC' || kind.value === 2
      ? [
          fail(
            'on-demand',
            kind,
            'Over state-of-the-world SDS nothing says that a name is missing: clients hang, and the stream stays for ever.',
            'Write DELTA_GRPC.',
          ),
        ]
      : []),
  ]
}
