import type { Planted } from './fault.ts'
import { DOWNSTREAM, UPSTREAM, VALIDATION, locate, put } from './fault.ts'

export const CONTEXTS: readonly Planted[] = [
  {
    what: 'no SAN matcher',
    check: 'validation',
    level: 'fail',
    path: `${VALIDATION}.default_validation_context.match_typed_subject_alt_names`,
    says: /stops verifying peers/,
  },
  {
    what: 'an empty list of matchers',
    check: 'validation',
    level: 'fail',
    path: `${UPSTREAM}.combined_validation_context.default_validation_context.match_typed_subject_alt_names`,
    value: [],
    says: /stops verifying peers/,
  },
  {
    what: 'a bundle that stands alone',
    check: 'validation',
    level: 'fail',
    path: `${DOWNSTREAM}.common_tls_context.validation_context_sds_secret_config`,
    plant: (c) => {
      const [parent] = locate(c, VALIDATION)
      parent.validation_context_sds_secret_config =
        parent.combined_validation_context.validation_context_sds_secret_config
      delete parent.combined_validation_context
    },
    says: /stops verifying peers/,
  },
  {
    what: 'a client that verifies nobody',
    check: 'validation',
    level: 'fail',
    path: `${UPSTREAM}.combined_validation_context`,
    says: /whoever answers is believed/,
  },
  {
    what: 'a prefix without its slash',
    check: 'validation',
    level: 'fail',
    path: `${VALIDATION}.default_validation_context.match_typed_subject_alt_names[0].matcher.prefix`,
    value: 'spiffe://example.org',
    says: /begin so/,
  },
  {
    what: 'no client certificate',
    check: 'client-certificate',
    level: 'fail',
    path: `${DOWNSTREAM}.require_client_certificate`,
    says: /shows no certificate/,
  },
  {
    what: 'TLS 1.2 for callers',
    check: 'tls-version',
    level: 'warn',
    path: `${DOWNSTREAM}.common_tls_context.tls_params.tls_minimum_protocol_version`,
    value: 'TLSv1_2',
    says: /below 1\.3/,
  },
  {
    what: 'a client without a maximum',
    check: 'tls-version',
    level: 'fail',
    path: `${UPSTREAM}.tls_params.tls_maximum_protocol_version`,
    says: /TLS 1\.2 unless it is written/,
  },
  {
    what: 'a client without versions',
    check: 'tls-version',
    level: 'warn',
    path: `${UPSTREAM}.tls_params.tls_maximum_protocol_version`,
    plant: (c) => put(c, `${UPSTREAM}.tls_params`, undefined),
    says: /cannot talk to a peer that demands 1\.3/,
  },
]
