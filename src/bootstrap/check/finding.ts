import type { Place } from './place.ts'

/** What is looked at, and how it is named where nothing is wrong. */
export const CHECKS = {
  secrets: 'takes its secrets over SDS',
  api: 'speaks gRPC in version 3, state of the world or Delta',
  node: 'describes itself once a stream',
  backoff: 'comes back within a second of the agent',
  'fetch-timeout': 'does not wait for ever for a secret',
  subscription: 'has one subscription for each name',
  'agent-cluster': "leads to the agent's socket",
  http2: 'speaks HTTP/2 to the agent',
  keepalive: 'notices an agent that hangs',
  streams: 'may open a stream for each secret',
  names: 'asks for names that have a meaning, each for what it is',
  statistics: 'has statistics that stay in one family',
  validation: 'verifies its peers, and says whom it lets in',
  'client-certificate': 'demands a certificate of its callers',
  'tls-version': 'speaks TLS 1.3',
  'connection-age': 'bounds for how long a connection outlives its certificates',
  'on-demand': 'lets no stranger choose names',
} as const satisfies Record<string, string>

export type Check = keyof typeof CHECKS

export interface Finding {
  readonly check: Check
  readonly level: 'warn' | 'fail'
  /** `static_resources.listeners[0].filter_chains[0]…` */
  readonly path: string
  /** What is so, and what comes of it. */
  readonly reason: string
  readonly fix: string
}

/** What is known of the agent that serves this Envoy. */
export interface AgentFacts {
  /** undefined: not known. */
  readonly socket: string | undefined
  readonly names: { readonly svid: string; readonly bundle: string; readonly allBundles: string }
  /** Aliases and hints; undefined: not known. */
  readonly otherNames: ReadonlySet<string> | undefined
  readonly validator: 'spiffe' | 'trusted-ca'
}

export function warn(check: Check, place: Place, reason: string, fix: string): Finding {
  return { check, level: 'warn', path: place.path, reason, fix }
}

export function fail(check: Check, place: Place, reason: string, fix: string): Finding {
  return { check, level: 'fail', path: place.path, reason, fix }
}
