/* The part of the table of metrics (metrics-table.ts) that is about the Workload API. */

import type { MetricMeaning } from '../metric-labels.ts'
import { WAIT_BUCKETS, WORKLOAD_CODES, WORKLOAD_RPCS, WORKLOAD_STREAMS } from '../metric-labels.ts'

export const WORKLOAD_METRICS = {
  workloadStreams: {
    type: 'gauge',
    name: 'workload_streams',
    help: 'Open streams of the Workload API.',
    labels: { rpc: WORKLOAD_STREAMS },
  },
  workloadMessages: {
    type: 'counter',
    name: 'workload_messages_total',
    help: 'Messages sent on streams of the Workload API, each the full state of its caller.',
    labels: { rpc: WORKLOAD_STREAMS },
  },
  workloadCalls: {
    type: 'counter',
    name: 'workload_calls_total',
    help: 'Calls of the Workload API that have ended, by their gRPC status; a stream that its client left is `CANCELLED`.',
    labels: { rpc: WORKLOAD_RPCS, code: WORKLOAD_CODES },
  },
  workloadTimeToFirstAnswer: {
    type: 'histogram',
    name: 'workload_time_to_first_answer_seconds',
    help: 'Time from a call of the Workload API to its answer, or to the first message of its stream.',
    labels: { rpc: WORKLOAD_RPCS },
    buckets: WAIT_BUCKETS,
  },
} as const satisfies Readonly<Record<string, MetricMeaning>>
