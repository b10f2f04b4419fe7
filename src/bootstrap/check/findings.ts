/** What is wrong with an Envoy's configuration, seen from the agent it takes its secrets from. */
import { agentClusterFindings, agentPipes } from './agent-cluster.ts'
import { connectionFindings } from './connections.ts'
import { contextFindings } from './contexts.ts'
import type { AgentFacts, Finding } from './finding.ts'
import { fail } from './finding.ts'
import { nameFindings } from './names.ts'
import { Place } from './place.ts'
import { sourceFindings } from './source.ts'
import { secretUses, tlsContexts, usesOfAgent } from './uses.ts'

export interface BootstrapReport {
  readonly findings: readonly Finding[]
  /** Sockets the agent is looked for at. */
  readonly sockets: readonly string[]
  /** Parts that come from elsewhere at run time, and were not looked at. */
  readonly notSeen: readonly string[]
}

/** `config` is the parsed YAML or JSON. */
export function checkBootstrap(config: unknown, agent: AgentFacts): BootstrapReport {
  const root = new Place(config)
  const contexts = tlsContexts(root)
  const uses = usesOfAgent(root, secretUses(root, contexts))
  const notSeen = ['lds_config', 'cds_config', 'ads_config']
    .map((name) => root.at('dynamic_resources', name))
    .filter((place) => place.isThere)
    .map(({ path }) => path)
  if (uses.length === 0) {
    const nothing = fail(
      'secrets',
      root.at('static_resources'),
      'Nothing in it takes a secret over SDS.',
      'See `spindle envoy config`, which prints a configuration that does.',
    )
    return { findings: notSeen.length > 0 ? [] : [nothing], sockets: [], notSeen }
  }
  // Only what takes secrets from the agent is the agent's concern.
  const mine = contexts.filter(({ place }) =>
    uses.some((use) => use.place.path.startsWith(`${place.path}.`)),
  )
  return {
    findings: [
      ...sourceFindings(uses),
      ...agentClusterFindings(root, uses, agent),
      ...nameFindings(root, uses, agent),
      ...contextFindings(mine),
      ...connectionFindings(
        root,
        mine.map(({ place }) => place.path),
      ),
    ],
    sockets: [...new Set(agentPipes(root, uses).map(({ text }) => text))],
    notSeen,
  }
}
