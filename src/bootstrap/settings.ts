/** What a sidecar is to be told: checked, and complete. */
export interface Address {
  readonly host: string
  readonly port: number
  /** A name, which has to be looked up, and no IP address. */
  readonly isName: boolean
}

export interface SidecarSettings {
  /** `node.cluster`: what the sidecar belongs to. */
  readonly service: string
  readonly nodeId: string
  /** Port on every address, for callers; 0 lets Envoy choose. */
  readonly inboundPort: number
  /** Port of the application on the loopback. */
  readonly appPort: number
  /** Where the application reaches its peer through the sidecar; undefined: it calls nobody. */
  readonly outbound: { readonly port: number; readonly peer: Address } | undefined
  readonly adminPort: number
  /** The agent's. */
  readonly socket: string
  readonly variant: 'delta' | 'sotw'
  /** The inbound listener is active before its certificate is there. Delta only: over SotW nothing says that it is missing. */
  readonly onDemand: boolean
  /** Ask for the bundles of other trust domains too. */
  readonly federated: boolean
  readonly mayCall: Peers
  readonly mayBeCalled: Peers
  /** The command that prints this, for who reads the file. */
  readonly command: string
}

/** SPIFFE IDs, or every workload of some trust domains. */
export type Peers =
  | { readonly kind: 'exact'; readonly spiffeIds: readonly string[] }
  | { readonly kind: 'trust-domains'; readonly trustDomains: readonly string[] }

/** The cluster of the agent's socket. */
export const AGENT_CLUSTER = 'spindle_agent'
