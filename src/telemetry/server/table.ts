/* Every metric of a server, once; docs/metrics.md is written from it (`node .ci/generate-docs.mjs`), as from that of the agent. */

import type { MetricMeaning } from '../metric-labels.ts'
import { WORK_BUCKETS } from '../metric-labels.ts'

export const SERVER_PREFIX = 'spindle_server_'

const KINDS = ['x509', 'jwt'] as const
/** Why a connection was closed by the server (server/admit). */
export const DOOR_REFUSALS = [
  'connection_limit',
  'address_limit',
  'handshake_timeout',
  'handshake_failed',
  'svid_refused',
  'excess',
] as const

export const OF_A_SERVER = {
  rpcs: {
    type: 'counter',
    name: 'rpcs_total',
    help: 'Calls of the API that have ended, by their gRPC status, those that were refused included; a stream that its client left is `CANCELLED`.',
    labels: { rpc: 'such as `spire.api.server.entry.v1.Entry/ListEntries`', code: 'gRPC status' },
  },
  rpcDuration: {
    type: 'histogram',
    name: 'rpc_seconds',
    help: 'Time from a call of the API to its end. Not of streams, which have none of their own.',
    labels: { rpc: 'as of `rpcs_total`' },
    buckets: WORK_BUCKETS,
  },
  issued: {
    type: 'counter',
    name: 'issued_total',
    help: 'What was signed for others.',
    labels: { kind: ['x509-svid', 'jwt-svid', 'agent-svid', 'downstream-ca'] },
  },
  issueFailures: {
    type: 'counter',
    name: 'issue_failures_total',
    help: 'Certificates, or JWT-SVIDs, that could not be signed, those of the server itself and of items of calls that went well included. Not what was asked wrongly.',
    labels: { kind: KINDS },
  },
  denials: {
    type: 'counter',
    name: 'denials_total',
    help: 'Connections, calls, and items of calls that were denied; each is in the audit, or counted there.',
    labels: { reason: 'the word of the audit' },
  },
  changes: {
    type: 'counter',
    name: 'changes_total',
    help: 'Changes of the registry that were made: asked for by the API, or of what had expired.',
    labels: { object: ['entry', 'agent', 'join-token', 'bundle', 'federation', 'authority'] },
  },
  logFailures: {
    type: 'counter',
    name: 'log_failures_total',
    help: 'Writes of the log, and of the audit in it, that failed: nobody has these lines.',
    labels: {},
  },
  entries: {
    type: 'gauge',
    name: 'entries',
    help: 'Entries in the store; none of these three while it does not answer.',
    labels: {},
  },
  agents: {
    type: 'gauge',
    name: 'agents',
    help: 'Agents in the store, those included whose SVID has expired.',
    labels: {},
  },
  bundles: {
    type: 'gauge',
    name: 'bundles',
    help: 'Bundles in the store, the own one included.',
    labels: {},
  },
  agentsConnected: {
    type: 'gauge',
    name: 'agents_connected',
    help: 'Agents that hold a stream of `spindle.sync.v1` to this server. Those that poll are not among them.',
    labels: {},
  },
  agentsBehind: {
    type: 'gauge',
    name: 'agents_behind',
    help: 'Those of them that have not said yet that they have the newest own bundle. More than for a moment, and a rotation waits for them.',
    labels: {},
  },
  connectionsRefused: {
    type: 'counter',
    name: 'connections_refused_total',
    help: 'Connections to `listen` that were closed before a call of theirs was answered, or (`excess`) for what they sent.',
    labels: { reason: DOOR_REFUSALS },
  },
  bundleSequence: {
    type: 'gauge',
    name: 'bundle_sequence',
    help: 'Sequence number of the own bundle, as this server knows it.',
    labels: {},
  },
  authoritySlots: {
    type: 'gauge',
    name: 'authority_slots',
    help: 'CA certificates and keys for JWT-SVIDs of this server.',
    labels: { kind: KINDS, status: ['prepared', 'active', 'old', 'tainted'] },
  },
  authorityActiveSecondsLeft: {
    type: 'gauge',
    name: 'authority_active_seconds_left',
    help: 'Seconds until the CA certificate, or the key, that signs expires, at the time of the scrape.',
    labels: { kind: 'x509 or jwt; none where nothing signs' },
  },
  authorityActiveLifeLeft: {
    type: 'gauge',
    name: 'authority_active_life_left_ratio',
    help: 'Share of its life that what signs has left, at the time of the scrape.',
    labels: { kind: 'x509 or jwt; none where nothing signs' },
  },
  authorityAttachedSecondsLeft: {
    type: 'gauge',
    name: 'authority_attached_seconds_left',
    help: "Seconds until the first certificate of the operator's CA and what is above it expires; of kind `disk` alone.",
    labels: {},
  },
  authorityAttachedLifeLeft: {
    type: 'gauge',
    name: 'authority_attached_life_left_ratio',
    help: 'Share of its life that this certificate has left.',
    labels: {},
  },
  authorityFault: {
    type: 'gauge',
    name: 'authority_fault',
    help: '1 while an authority cannot sign, rotate or be stored, else 0.',
    labels: { kind: KINDS },
  },
  aboveFault: {
    type: 'gauge',
    name: 'above_fault',
    help: '1 while the server above this one does not answer, else 0; of kind `server` alone.',
    labels: {},
  },
  publicationFault: {
    type: 'gauge',
    name: 'publication_fault',
    help: "1 while this server's part of the own bundle could not be put into the store, else 0.",
    labels: {},
  },
  svidSecondsLeft: {
    type: 'gauge',
    name: 'svid_seconds_left',
    help: "Seconds until the server's own X.509-SVID expires, at the time of the scrape.",
    labels: {},
  },
  svidLifeLeft: {
    type: 'gauge',
    name: 'svid_life_left_ratio',
    help: "Share of its life that the server's own X.509-SVID has left, at the time of the scrape; renewed at 0.4 to 0.6.",
    labels: {},
  },
  storeDuration: {
    type: 'histogram',
    name: 'store_seconds',
    help: 'Time the store takes to answer, its queue included.',
    labels: { object: 'such as `entries`', operation: 'such as `create`' },
    buckets: WORK_BUCKETS,
  },
  storeFailures: {
    type: 'counter',
    name: 'store_failures_total',
    help: 'Questions and changes that the store rejected.',
    labels: { object: 'as of `store_seconds`', operation: 'as of `store_seconds`' },
  },
  ready: {
    type: 'gauge',
    name: 'ready',
    help: 'Result of a readiness check made for the scrape: 1 ready, 0 not.',
    labels: {},
  },
  buildInfo: {
    type: 'gauge',
    name: 'build_info',
    help: 'Always 1; says which version runs.',
    labels: { version: 'version of Spindle' },
  },
} as const satisfies Readonly<Record<string, MetricMeaning>>

export type ServerMetricName = keyof typeof OF_A_SERVER
