/** What a metric is said to be; what its labels may be, where that is known beforehand; and the buckets of histograms. */

/** The values a label may take, or, where they are not known beforehand, what they are. */
type LabelMeaning = readonly string[] | string

interface Meaning {
  /** Without the prefix `spindle_agent_`. */
  readonly name: string
  readonly help: string
  readonly labels: Readonly<Record<string, LabelMeaning>>
}

export type MetricMeaning =
  | ({ readonly type: 'counter' | 'gauge' } & Meaning)
  | ({ readonly type: 'histogram'; readonly buckets: readonly number[] } & Meaning)

export const VARIANTS = ['sotw', 'delta', 'fetch'] as const
export const STREAM_VARIANTS = ['sotw', 'delta'] as const
export const KINDS = ['svid', 'bundle'] as const

/** Methods of the Workload API that are streams, and all that answer. */
export const WORKLOAD_STREAMS = ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'] as const
export const WORKLOAD_RPCS = [...WORKLOAD_STREAMS, 'FetchJWTSVID', 'ValidateJWTSVID'] as const
/** gRPC statuses that calls of the Workload API end with. */
export const WORKLOAD_CODES = [
  'OK',
  'CANCELLED',
  'INVALID_ARGUMENT',
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
  'UNAVAILABLE',
  'INTERNAL',
] as const

/** Why an Envoy rejected a secret, never in its own words (xds/nack.ts). */
export const NACK_CLASSES = [
  'key_mismatch',
  'chain_unreadable',
  'key_unreadable',
  'key_kind',
  'no_subject',
  'ca_unreadable',
  'san_matcher',
  'constraint',
  'unknown_field',
  'type_mismatch',
  'name_mismatch',
  'crl',
  'ocsp',
  'provider',
  'file',
  'other',
] as const

export const CONNECTION_REFUSALS = [
  'credentials_unreadable',
  'pidfd_unsupported',
  'descriptors_exhausted',
  'pid_not_visible',
  'peer_ended',
  'uid_limit',
  'connection_limit',
  'not_allowed',
  'excess',
  'closing',
] as const

/** From a push that was ready to one that waited for a person: 1 ms to 5 min. */
export const WAIT_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300,
] as const
/** Work inside the process: 50 us to 2.5 s. */
export const WORK_BUCKETS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5,
] as const
