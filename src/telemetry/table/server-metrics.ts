/* The part of the table of metrics (metrics-table.ts) that is about the server of an agent that has one. */

import type { MetricMeaning } from '../metric-labels.ts'

export const SERVER_METRICS = {
  serverConnected: {
    type: 'gauge',
    name: 'server_connected',
    help: '1 while the server is connected and what it says is up to date, else 0; with a server alone, as all of `server_`.',
    labels: {},
  },
  serverHeard: {
    type: 'gauge',
    name: 'server_heard_seconds_ago',
    help: 'Seconds since the server was last heard, at the time of the scrape; not before it was heard for the first time.',
    labels: {},
  },
  serverSvidSecondsLeft: {
    type: 'gauge',
    name: 'server_svid_seconds_left',
    help: "Seconds until the agent's own X.509-SVID expires, at the time of the scrape. Without one the node has to attest anew.",
    labels: {},
  },
  serverBootstrapUnverified: {
    type: 'gauge',
    name: 'server_bootstrap_unverified',
    help: '1 while the server is trusted only because it was the first to be seen (`insecure: true`), else 0.',
    labels: {},
  },
  serverCacheOk: {
    type: 'gauge',
    name: 'server_cache_ok',
    help: '1 while what was obtained is kept for the next start, 0 while it cannot be written; not with `cache: off`.',
    labels: {},
  },
  serverCacheSetAside: {
    type: 'counter',
    name: 'server_cache_set_aside_total',
    help: 'Files of the cache that were damaged and have been moved aside.',
    labels: {},
  },
} as const satisfies Readonly<Record<string, MetricMeaning>>
