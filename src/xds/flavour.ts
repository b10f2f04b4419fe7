import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Meaning } from './names.ts'
import type { SecretContent } from './secret.ts'

/** spiffe: each trust domain with its own roots · trusted-ca: one list of roots, for one trust domain. */
export type ValidatorFlavour = 'spiffe' | 'trusted-ca'

/** What is used of the node of a stream's first request. */
export interface NodeFacts {
  /** `user_agent_build_version.version`; undefined where the client does not say. */
  readonly version?: { readonly major: number; readonly minor: number } | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/** The flavour a node gets. SPIRE's rules, so that Envoys move over unchanged. */
export function validatorFlavour(node: NodeFacts, configured: ValidatorFlavour): ValidatorFlavour {
  const disabled =
    parseSwitch(node.metadata?.['disable_spiffe_cert_validation']) ?? configured === 'trusted-ca'
  return disabled || !hasSpiffeValidator(node.version) ? 'trusted-ca' : 'spiffe'
}

/** The SPIFFE validator came with Envoy 1.18; a client that does not say is taken for a newer one. */
function hasSpiffeValidator(version: NodeFacts['version']): boolean {
  if (version === undefined) return true
  return version.major > 1 || (version.major === 1 && version.minor > 17)
}

/** A bool, or a string as Go's strconv.ParseBool reads it; anything else says nothing. */
function parseSwitch(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string') return undefined
  if (TRUE.has(value)) return true
  return FALSE.has(value) ? false : undefined
}

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

/**
 * The validation context of a bundle name, in a node's flavour.
 * @param pemOf PEM of a trust domain's X.509 authorities; undefined or '' where it has none or is not known
 * @returns a context that is never empty (Envoy takes one and stops verifying peers), or why there is none
 */
export function bundleContent(
  meaning: Extract<Meaning, { kind: 'bundle' | 'all-bundles' }>,
  flavour: ValidatorFlavour,
  pemOf: (trustDomain: TrustDomain) => string | undefined,
): { readonly content: SecretContent } | { readonly why: string } {
  if (flavour === 'trusted-ca' && meaning.kind === 'all-bundles')
    return { why: 'several trust domains need the SPIFFE validator (Envoy 1.18 or later)' }
  const wanted = meaning.kind === 'bundle' ? [meaning.trustDomain] : meaning.trustDomains
  // One empty trust domain makes Envoy reject the whole context.
  const trustDomains = wanted.flatMap((name) => {
    const pem = pemOf(name) ?? ''
    return pem === '' ? [] : [{ name, pem }]
  })
  const [first] = trustDomains
  if (first === undefined) return { why: `no X.509 authorities are known for ${wanted.join(', ')}` }
  return flavour === 'trusted-ca'
    ? { content: { kind: 'trusted-ca', pem: first.pem } }
    : { content: { kind: 'spiffe-validator', trustDomains } }
}
