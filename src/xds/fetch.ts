import { SpindleError } from '../runtime/errors.ts'
import type { SotwRequest, SotwResponse } from './message.ts'
import { versionOfSet, type StreamContext } from './stream.ts'
import { initialStream, isWildcard, limitFault, newName, requestFault } from './subscription.ts'

/** @throws SpindleError `request_invalid` or `limit_reached` */
export function checkFetch(request: SotwRequest, limits: StreamContext['limits']): void {
  const names = new Map(
    request.names.filter((name) => !isWildcard(name)).map((name) => [name, newName] as const),
  )
  const fault =
    requestFault(request.typeUrl, request.names) ??
    limitFault({ ...initialStream, names }, limits.namesPerStream)
  if (fault !== undefined) throw fault
}

/**
 * FetchSecrets: one question, one answer, no waiting. No names ask for all the caller has.
 * @returns what the caller has of the names
 * @throws SpindleError `request_invalid`, `limit_reached`, or `not_found` where it has none of them
 */
export function fetchSecrets(request: SotwRequest, context: StreamContext): SotwResponse {
  checkFetch(request, context.limits)
  const { view } = context
  const asked = new Set(request.names.filter((name) => !isWildcard(name)))
  const everything = asked.size === 0 || request.names.includes('*')
  const names = everything ? new Set([...asked, ...view.all]) : asked
  const resources = [...names].flatMap((name) => {
    const resolution = view.resolve(name)
    const isGiven = resolution.state === 'present' && !view.quarantined(resolution.resource.version)
    return isGiven ? [resolution.resource] : []
  })
  // "Absent", "not yet" and "forbidden" look alike from outside.
  if (resources.length === 0)
    throw new SpindleError('not_found', 'the caller has no secret of these names')
  return { nonce: context.nonce(), version: versionOfSet(resources), resources }
}
