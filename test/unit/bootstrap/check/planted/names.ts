import type { Planted } from './fault.ts'
import { CERTIFICATE, DOWNSTREAM, UPSTREAM, VALIDATION, locate, put } from './fault.ts'

export const NAMES: readonly Planted[] = [
  {
    what: 'a bundle as a certificate',
    check: 'names',
    level: 'fail',
    path: `${CERTIFICATE}.name`,
    value: 'ROOTCA',
    says: /type_mismatch/,
  },
  {
    what: 'a certificate as a bundle',
    check: 'names',
    level: 'fail',
    path: `${VALIDATION}.validation_context_sds_secret_config.name`,
    value: 'default',
    says: /certificate, asked for as a validation context/,
  },
  {
    what: 'a name nobody has',
    check: 'names',
    level: 'warn',
    path: `${CERTIFICATE}.name`,
    value: 'web-cret',
    says: /no alias/,
  },
  {
    what: 'session ticket keys',
    check: 'names',
    level: 'fail',
    path: `${DOWNSTREAM}.session_ticket_keys_sds_secret_config.name`,
    plant: (c) => {
      const [parent] = locate(c, `${CERTIFICATE}.name`)
      put(c, `${DOWNSTREAM}.session_ticket_keys_sds_secret_config`, { ...parent, name: 'tickets' })
    },
    says: /neither a certificate nor/,
  },
  {
    what: 'two certificates of a client',
    check: 'names',
    level: 'fail',
    path: `${UPSTREAM}.tls_certificate_sds_secret_configs`,
    plant: (c) => {
      const [list] = locate(c, `${UPSTREAM}.tls_certificate_sds_secret_configs[1]`)
      list.push({ ...list[0], name: 'web-cert' })
    },
    says: /several certificates/,
  },
  {
    what: 'ALL where the agent serves trusted CAs',
    check: 'names',
    level: 'fail',
    path: `${VALIDATION}.validation_context_sds_secret_config.name`,
    plant: () => undefined,
    file: 'sidecar-federated.yaml',
    agent: { validator: 'trusted-ca' },
    says: /sds\.validator of the agent switches/,
  },
  {
    what: 'ALL where the node wants trusted CAs',
    check: 'names',
    level: 'fail',
    path: `${VALIDATION}.validation_context_sds_secret_config.name`,
    plant: (c) => put(c, 'node.metadata', { disable_spiffe_cert_validation: 'true' }),
    file: 'sidecar-federated.yaml',
    says: /node\.metadata\.disable_spiffe_cert_validation switches/,
  },
  {
    what: 'a name with dots',
    check: 'statistics',
    level: 'warn',
    path: `${CERTIFICATE}.name`,
    value: 'spiffe://example.org/web',
    says: /metric family/,
  },
  {
    what: 'a mapper of the SNI',
    check: 'on-demand',
    level: 'fail',
    path: `${DOWNSTREAM}.common_tls_context.custom_tls_certificate_selector.typed_config.certificate_mapper.typed_config`,
    value: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3.SNI',
    },
    file: 'sidecar-on-demand.yaml',
    says: /strangers/,
  },
]
