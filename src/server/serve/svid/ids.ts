import type { SPIFFEID } from '#spire/api/types/spiffeid_pb.js'
import {
  isWorkloadId,
  parseSpiffeId,
  trustDomainId,
  trustDomainOf,
} from '../../../spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'

export function idMessage(id: SpiffeId): { readonly trustDomain: string; readonly path: string } {
  const trustDomain = trustDomainOf(id)
  return { trustDomain, path: id.slice(trustDomainId(trustDomain).length) }
}

/** Agents and servers are below it, and what they have is not had by asking. */
const RESERVED = '/spire'

/** A workload's SPIFFE ID in the own trust domain. @throws Error with SPIRE's words */
export function workloadId(text: string, trustDomain: TrustDomain): SpiffeId {
  const id = parseSpiffeId(text)
  if (trustDomainOf(id) !== trustDomain)
    throw new Error(`"${id}" is not a member of trust domain "${trustDomain}"`)
  const { path } = idMessage(id)
  const why =
    (!isWorkloadId(id) && 'path is empty') ||
    ((path === RESERVED || path.startsWith(`${RESERVED}/`)) && 'path is in the reserved namespace')
  if (why !== false)
    throw new Error(`"${id}" is not a workload in trust domain "${trustDomain}"; ${why}`)
  return id
}

/** @throws Error with SPIRE's words */
export function workloadIdOf(message: SPIFFEID | undefined, trustDomain: TrustDomain): SpiffeId {
  if (message === undefined) throw new Error('request must specify SPIFFE ID')
  const { trustDomain: name, path } = message
  if (name === '') throw new Error('trust domain is missing')
  if (path !== '' && !path.startsWith('/')) throw new Error('path must have a leading slash')
  return workloadId(`spiffe://${name}${path}`, trustDomain)
}
