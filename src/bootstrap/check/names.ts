/** The names that are asked for, and for what. */
import type { AgentFacts, Finding } from './finding.ts'
import { fail, warn } from './finding.ts'
import type { Place } from './place.ts'
import type { SecretUse } from './uses.ts'

export function nameFindings(
  root: Place,
  uses: readonly SecretUse[],
  agent: AgentFacts,
): readonly Finding[] {
  const once = new Set<string>()
  return uses.flatMap((use) => {
    const key = `${use.role} ${use.name}`
    if (use.name === '' || once.has(key)) return []
    once.add(key)
    return [
      ...purpose(use, agent),
      ...meaning(use, agent),
      ...all(root, use, agent),
      ...statistics(use),
    ]
  })
}

function kindOf(name: string, { names }: AgentFacts): 'svid' | 'bundle' | undefined {
  if (name === names.svid) return 'svid'
  if (name === names.bundle || name === names.allBundles) return 'bundle'
  if (!name.startsWith('spiffe://')) return undefined
  return /^spiffe:\/\/[^/]+$/.test(name) ? 'bundle' : 'svid'
}

function purpose({ role, name, place }: SecretUse, agent: AgentFacts): readonly Finding[] {
  const kind = kindOf(name, agent)
  if (role === 'other')
    return [
      fail(
        'names',
        place,
        'It is neither a certificate nor a validation context: the agent serves nothing else, so it never comes.',
        'Take it from a file, or from another server.',
      ),
    ]
  if (role === 'certificate' && kind === 'bundle')
    return [
      fail(
        'names',
        place,
        `${name} is a bundle, asked for as a certificate: Envoy rejects it (type_mismatch).`,
        `Ask for ${agent.names.svid}, or for the SPIFFE ID of a workload.`,
      ),
    ]
  if (role === 'validation' && kind === 'svid')
    return [
      fail(
        'names',
        place,
        `${name} is a certificate, asked for as a validation context: Envoy takes it, and stops verifying peers if nothing else is in the context.`,
        `Ask for ${agent.names.bundle}, ${agent.names.allBundles} or the ID of a trust domain.`,
      ),
    ]
  return []
}

function meaning({ role, name, place }: SecretUse, agent: AgentFacts): readonly Finding[] {
  if (
    role === 'other' ||
    kindOf(name, agent) !== undefined ||
    agent.otherNames?.has(name) !== false
  )
    return []
  return [
    warn(
      'names',
      place,
      `${name} is no SPIFFE ID, no alias and no entry's hint: it is held open until it is one.`,
      `Ask for ${agent.names.svid}, or add it to sds.aliases or as a hint.`,
    ),
  ]
}

function all(root: Place, { name, place }: SecretUse, agent: AgentFacts): readonly Finding[] {
  if (name !== agent.names.allBundles) return []
  const setting = root.at('node', 'metadata', 'disable_spiffe_cert_validation')
  const isOff = setting.isThere
    ? /^(?:1|t|true)$/i.test(String(setting.value))
    : agent.validator === 'trusted-ca'
  if (!isOff) return []
  const where = setting.isThere ? setting.path : 'sds.validator of the agent'
  return [
    fail(
      'names',
      place,
      `${name} is several trust domains, which needs Envoy's SPIFFE validator, and ${where} switches that off: it is never answered.`,
      `Remove that setting, or ask for ${agent.names.bundle}.`,
    ),
  ]
}

function statistics({ name, place }: SecretUse): readonly Finding[] {
  if (!name.includes('.')) return []
  return [
    warn(
      'statistics',
      place,
      'In the Prometheus format a name is cut at its first dot: this one becomes a metric family of its own.',
      'Ask for an alias without dots (sds.aliases), a hint, or a reserved name.',
    ),
  ]
}
