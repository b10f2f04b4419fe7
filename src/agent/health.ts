/** What must work for the agent to be live and ready: the path a caller takes, not a flag. */
import { SecretDiscoveryService } from '#envoy/service/secret/v3/sds_pb.js'
import type { AuthorityState, X509Authority } from '../authority/authority.ts'
import type { JwtAuthority } from '../authority/jwt/jwt-authority.ts'
import type { Clock } from '../runtime/clock.ts'
import type { ErrorCode } from '../runtime/errors.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { HealthCheck } from '../telemetry/health.ts'
import { SECURITY_HEADER } from '../spiffe/endpoint.ts'
import { createRpcClient } from '../wire/client.ts'
import { SECRET_TYPE_URL } from '../xds/resource.ts'
import type { Identities } from './obtain/identities.ts'
import type { ServerView } from './obtain/remote/view.ts'
import type { Sources } from './sources.ts'

/** A name nobody is given: asking for it goes all the way and ends in "not found". */
const PROBE_NAME = 'spindle-health-probe'
const PROBE_MS = 1_500

export function healthChecks(parts: {
  readonly socket: string
  readonly authority: X509Authority
  readonly jwtAuthority: JwtAuthority
  readonly sources: Sources
  readonly identities: Pick<Identities, 'missing' | 'expired'>
  /** undefined: the authorities are the agent's own. */
  readonly server: ServerView | undefined
  readonly clock: Clock
}): readonly HealthCheck[] {
  const { socket, authority, jwtAuthority, sources, clock, server } = parts
  const signs = ({ slots, fault }: Pick<AuthorityState, 'slots' | 'fault'>, lacks: string) => {
    const active = slots.some((slot) => slot.status === 'active' && slot.notAfter > clock.now())
    if (!active) throw new SpindleError('authority_unavailable', fault ?? lacks)
    return fault
  }
  const ownAuthorities: readonly HealthCheck[] = [
    {
      name: 'authority',
      probes: ['ready'],
      run: async () => signs(authority.state.current, 'no CA certificate is active'),
    },
    {
      name: 'jwt-authority',
      probes: ['ready'],
      run: async () => signs(jwtAuthority.state.current, 'no key for JWT-SVIDs is active'),
    },
  ]
  return [
    {
      name: 'sds',
      probes: ['live'],
      // An agent that does not know itself answers all the same, and starting it again would change nothing.
      run: () => askForSecret(socket, [...ANSWERS, 'not_ready']),
    },
    {
      name: 'sds',
      probes: ['ready'],
      run: () => askForSecret(socket, ANSWERS),
    },
    ...(server === undefined ? ownAuthorities : serverChecks(server, parts)),
    {
      name: 'sources',
      probes: ['ready'],
      // A bad edit leaves the last good reading in use: said, but the agent serves.
      async run() {
        const faults = sources.states().filter((state) => state.fault !== undefined)
        return faults.map(({ name, fault }) => `${name}: ${fault}`).join('; ')
      },
    },
  ]
}

function serverChecks(
  { address, state }: ServerView,
  {
    sources,
    identities,
  }: {
    readonly sources: Sources
    readonly identities: Pick<Identities, 'missing' | 'expired'>
  },
): readonly HealthCheck[] {
  return [
    {
      name: 'server',
      probes: ['ready'],
      async run() {
        const { fault, protocol } = state.current
        if (fault === undefined) {
          const connected = `${address}: connected${protocol === undefined ? '' : `, by ${protocol}`}`
          const expired = identities.expired()
          if (expired === 0) return connected
          // A server that hangs looks like one that is there, for a while.
          const which = `${countOf(expired)} in use expired and not signed anew`
          throw new SpindleError('authority_unavailable', `${connected}; ${which}`)
        }
        const told = `${address}: ${fault}`
        if (sources.entries.current === undefined) throw new SpindleError('not_ready', told)
        const missing = identities.missing()
        if (missing > 0) {
          const lacking = `${countOf(missing)} in use cannot be signed`
          throw new SpindleError('authority_unavailable', `${told}; ${lacking}`)
        }
        return `${told}; what is valid is served until it expires`
      },
    },
    { name: 'bootstrap', probes: ['ready'], run: async () => state.current.bootstrap },
  ]
}

const countOf = (count: number): string => `${count} ${count === 1 ? 'identity' : 'identities'}`

/** With `sds.unauthorized: close` a name that is not granted is refused where it is not found otherwise. */
const ANSWERS: readonly ErrorCode[] = ['not_found', 'request_invalid']

async function askForSecret(socket: string, answers: readonly ErrorCode[]): Promise<string> {
  const client = createRpcClient({ kind: 'unix', path: socket }, { headers: SECURITY_HEADER })
  try {
    const request = {
      resourceNames: [PROBE_NAME],
      typeUrl: SECRET_TYPE_URL,
      node: { id: PROBE_NAME },
    }
    await client.call(SecretDiscoveryService.method.fetchSecrets, request, { deadlineMs: PROBE_MS })
  } catch (thrown) {
    if (!(thrown instanceof SpindleError && answers.includes(thrown.code))) throw thrown
  } finally {
    client.close()
  }
  return 'accepts, attests and answers'
}
