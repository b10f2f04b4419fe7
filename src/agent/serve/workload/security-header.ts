/**
 * The header that a client of the Workload API sends with every call (SPIFFE_Workload_Endpoint 3): a program that can be made to
 * fetch an address of somebody else's choosing sends no such header, and so is not made to fetch its own identity.
 */
import { SpindleError } from '../../../runtime/errors.ts'
import { SECURITY_HEADER } from '../../../spiffe/endpoint.ts'
import type { CallCheck } from '../../../wire/peer-server.ts'

const [[HEADER, VALUE]] = Object.entries(SECURITY_HEADER) as [[string, string]]
const WORKLOAD = '/SpiffeWorkloadAPI/'
const SDS = '/envoy.service.secret.v3.'

export interface HeaderGateOptions {
  /** Envoy sends it only where it is told to, so SDS does without unless this is true; health and reflection always do. */
  readonly forSds: boolean
  /** Told of each call that is refused. */
  readonly unheard: (path: string) => void
}

export function securityHeaderGate({
  forSds,
  unheard,
}: HeaderGateOptions): (path: string) => CallCheck | undefined {
  return (path) => {
    if (!path.startsWith(WORKLOAD) && !(forSds && path.startsWith(SDS))) return undefined
    return (metadata) => {
      // Sent twice, its values come as one text or as two: neither is the one value that is wanted.
      const values = metadata.get(HEADER)
      if (values.length === 1 && values[0] === VALUE) return undefined
      unheard(path)
      return new SpindleError(
        'request_invalid',
        `the header ${HEADER}: ${VALUE} must be sent, once`,
      )
    }
  }
}
