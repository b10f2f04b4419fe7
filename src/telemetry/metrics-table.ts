/*
 * Every metric of the agent, once: code is typed by this table and docs/metrics.md is written from it
 * (`node .ci/generate-docs.mjs`). Names follow https://prometheus.io/docs/practices/naming/: base units, counters end in _total.
 */

import { AUTHORITY_METRICS } from './table/authority-metrics.ts'
import type { MetricMeaning } from './metric-labels.ts'
import { SERVER_METRICS } from './table/server-metrics.ts'
import { WORKLOAD_METRICS } from './table/workload-metrics.ts'
import {
  VARIANTS,
  STREAM_VARIANTS,
  KINDS,
  NACK_CLASSES,
  CONNECTION_REFUSALS,
  WAIT_BUCKETS,
  WORK_BUCKETS,
} from './metric-labels.ts'

export const PREFIX = 'spindle_agent_'

export const METRICS = {
  sdsStreams: {
    type: 'gauge',
    name: 'sds_streams',
    help: 'Open SDS streams.',
    labels: { variant: STREAM_VARIANTS },
  },
  sidecars: {
    type: 'gauge',
    name: 'sidecars',
    help: 'Envoys with at least one open stream.',
    labels: {},
  },
  secretsHeld: {
    type: 'gauge',
    name: 'secrets_held',
    help: 'Secrets that sidecars hold (acknowledged, and not given up since), each counted for each stream that has it.',
    labels: { kind: KINDS },
  },
  sdsPushes: {
    type: 'counter',
    name: 'sds_pushes_total',
    help: 'Secrets sent to callers.',
    labels: { variant: VARIANTS, kind: KINDS },
  },
  sdsAcks: {
    type: 'counter',
    name: 'sds_acks_total',
    help: 'Answers that callers acknowledged.',
    labels: { variant: STREAM_VARIANTS },
  },
  sdsNacks: {
    type: 'counter',
    name: 'sds_nacks_total',
    help: 'Answers that callers rejected; their content is quarantined for that caller.',
    labels: { class: NACK_CLASSES },
  },
  sdsUnanswered: {
    type: 'counter',
    name: 'sds_unanswered_total',
    help: 'Answers that were neither acknowledged nor rejected within sds.ackDeadline.',
    labels: {},
  },
  sdsAcksOfRejected: {
    type: 'counter',
    name: 'sds_acks_of_rejected_total',
    help: 'Acknowledgements of content the same caller rejected before; they are not believed.',
    labels: {},
  },
  sdsTimeToFirstSecret: {
    type: 'histogram',
    name: 'sds_time_to_first_secret_seconds',
    help: 'Time from a stream being opened to its first secret being sent, waiting for an entry included.',
    labels: {},
    buckets: WAIT_BUCKETS,
  },
  sdsPushToAck: {
    type: 'histogram',
    name: 'sds_push_to_ack_seconds',
    help: 'Time from an answer being sent to its acknowledgement.',
    labels: {},
    buckets: WAIT_BUCKETS,
  },
  sdsRequestsRefused: {
    type: 'counter',
    name: 'sds_requests_refused_total',
    help: 'Requests that ended their stream or call with an error.',
    labels: { reason: 'why the request was refused' },
  },
  ...WORKLOAD_METRICS,
  rotations: {
    type: 'counter',
    name: 'rotations_total',
    help: 'Renewals of X.509-SVIDs.',
    labels: { result: ['ok', 'failed'] },
  },
  rotationLag: {
    type: 'histogram',
    name: 'rotation_lag_seconds',
    help: 'Time from the renewal instant of an X.509-SVID to its successor being served.',
    labels: {},
    buckets: WAIT_BUCKETS,
  },
  secretSecondsLeft: {
    type: 'gauge',
    name: 'secret_seconds_left',
    help: 'Seconds until the X.509-SVID that is served expires, at the time of the scrape.',
    labels: {
      spiffe_id: 'the SPIFFE ID; beyond 1,000 of them `others`, with the least of the rest',
    },
  },
  secretLifeLeft: {
    type: 'gauge',
    name: 'secret_life_left_ratio',
    help: 'Share of its life that the X.509-SVID that is served has left, at the time of the scrape; renewed at 0.4 to 0.6.',
    labels: {
      spiffe_id: 'the SPIFFE ID; beyond 1,000 of them `others`, with the least of the rest',
    },
  },
  attestation: {
    type: 'histogram',
    name: 'attestation_seconds',
    help: 'Time to look a caller up.',
    labels: {},
    buckets: WORK_BUCKETS,
  },
  attestationRefusals: {
    type: 'counter',
    name: 'attestation_refusals_total',
    help: 'Callers that could not be attested.',
    labels: { reason: 'why' },
  },
  connections: {
    type: 'gauge',
    name: 'connections',
    help: 'Open connections to the agent socket.',
    labels: {},
  },
  connectionsRefused: {
    type: 'counter',
    name: 'connections_refused_total',
    help: 'Connections that were closed before they were served, or (`excess`) for what they sent.',
    labels: { reason: CONNECTION_REFUSALS },
  },
  ...AUTHORITY_METRICS,
  ...SERVER_METRICS,
  issue: {
    type: 'histogram',
    name: 'issue_seconds',
    help: 'Time to issue an X.509-SVID, its key included.',
    labels: {},
    buckets: WORK_BUCKETS,
  },
  issueFailures: {
    type: 'counter',
    name: 'issue_failures_total',
    help: 'X.509-SVIDs that could not be issued; each is tried again.',
    labels: {},
  },
  entries: {
    type: 'gauge',
    name: 'entries',
    help: 'Entries in force.',
    labels: {},
  },
  identities: {
    type: 'gauge',
    name: 'identities',
    help: 'Entries that hold a current X.509-SVID.',
    labels: {},
  },
  identitiesMissing: {
    type: 'gauge',
    name: 'identities_missing',
    help: 'Entries in use that have no X.509-SVID: none could be issued yet, or the last one expired.',
    labels: {},
  },
  reloads: {
    type: 'counter',
    name: 'reloads_total',
    help: 'Readings of watched files after a change or SIGHUP.',
    labels: { source: 'such as `entries` or `bundle partner.test`', result: ['ok', 'failed'] },
  },
  reloadOk: {
    type: 'gauge',
    name: 'reload_ok',
    help: '1 while the file as it stands is in use, 0 while the last good one still is.',
    labels: { source: 'such as `entries` or `bundle partner.test`' },
  },
  clockJumps: {
    type: 'counter',
    name: 'clock_jumps_total',
    help: 'Jumps of the wall clock against the monotonic one.',
    labels: { direction: ['forward', 'backward'] },
  },
  buildInfo: {
    type: 'gauge',
    name: 'build_info',
    help: 'Always 1; says which version runs.',
    labels: { version: 'version of Spindle' },
  },
  peerCredentialsPidfd: {
    type: 'gauge',
    name: 'peer_credentials_pidfd',
    help: '1 where callers are known by SO_PEERPIDFD, 0 where attestation.pidfd: preferred had to fall back.',
    labels: {},
  },
  ready: {
    type: 'gauge',
    name: 'ready',
    help: 'Result of a readiness check made for the scrape: 1 ready, 0 not.',
    labels: {},
  },
} as const satisfies Readonly<Record<string, MetricMeaning>>

export type MetricName = keyof typeof METRICS
