import type { PathFault } from '../text/source-text.ts'
import { isMapping } from '../schema-node.ts'

/* What holds between the keys of what names a server; like ../checks.ts, these run also where single keys are wrong. */

const TRUST = ['trustBundleFile', 'trustBundleUrl', 'insecure'] as const
const TOKEN = ['tokenFile', 'token'] as const

/** Exactly one way to trust the server, and exactly one place of a token. */
export function linkFaults(authority: Readonly<Record<string, unknown>>): readonly PathFault[] {
  if (authority['kind'] !== 'server') return []
  const attest = isMapping(authority['attest']) ? authority['attest'] : {}
  return [
    ...exactlyOne(['authority'], authority, TRUST),
    ...(attest['kind'] === 'join-token' ? exactlyOne(['authority', 'attest'], attest, TOKEN) : []),
  ]
}

function exactlyOne(
  path: readonly string[],
  mapping: Readonly<Record<string, unknown>>,
  keys: readonly string[],
): readonly PathFault[] {
  const [first, ...others] = keys.filter((key) => mapping[key] !== undefined)
  const allowed = `allowed: exactly one of ${keys.join(', ')}`
  if (first === undefined) return [{ path, message: `has none of ${keys.join(', ')}; ${allowed}` }]
  return others.map((key) => ({
    path: [...path, key],
    message: `stands beside ${first}; ${allowed}`,
  }))
}

/** What is allowed and most likely not meant. */
export function linkWarnings(authority: {
  readonly insecure?: true | undefined
  readonly attest: { readonly kind: string; readonly token?: string | undefined }
}): readonly PathFault[] {
  const warnings: PathFault[] = []
  if (authority.insecure === true)
    warnings.push({
      path: ['authority', 'insecure'],
      message: 'is true: whoever answers at the address first is taken for the server',
    })
  if (authority.attest.token !== undefined)
    warnings.push({
      path: ['authority', 'attest', 'token'],
      message:
        'is in this file: whoever may read it can be this node until the token is used; a tokenFile of the agent alone is safer',
    })
  return warnings
}
