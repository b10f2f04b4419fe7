/** What must work for a server to be live and ready: the way a call takes, not a flag. */
import { Bundle } from '#spire/api/server/bundle/v1/bundle_pb.js'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { Store } from '../../store/port.ts'
import type { HealthCheck } from '../../telemetry/health.ts'
import { createRpcClient } from '../../wire/client.ts'
import type { Issuing } from '../issue/issuing.ts'

const PROBE_MS = 1_500

export interface HealthParts {
  readonly clock: Clock
  readonly adminSocket: string
  readonly store: Pick<Store, 'changes'>
  readonly issuing: Pick<Issuing, 'x509' | 'jwt' | 'svid'>
}

export function serverHealthChecks({
  clock,
  adminSocket,
  store,
  issuing,
}: HealthParts): readonly HealthCheck[] {
  const signs = (kind: 'x509' | 'jwt', what: string): HealthCheck => ({
    name: kind === 'x509' ? 'authority' : 'jwt-authority',
    probes: ['ready'],
    async run() {
      const { slots, fault } = issuing[kind].state.current
      const now = clock.now()
      if (slots.some(({ status, notAfter }) => status === 'active' && notAfter > now)) return fault
      throw new SpindleError('authority_unavailable', fault ?? `no ${what} is active`)
    },
  })
  return [
    { name: 'api', probes: ['live', 'ready'], run: () => askForBundle(adminSocket) },
    {
      name: 'store',
      probes: ['ready'],
      async run() {
        const { revision } = await store.changes.position()
        return `answers, at revision ${revision}`
      },
    },
    signs('x509', 'CA certificate'),
    signs('jwt', 'key for JWT-SVIDs'),
    {
      name: 'svid',
      probes: ['ready'],
      async run() {
        // Without it no agent can connect.
        if (issuing.svid.current.notAfter > clock.now()) return undefined
        throw new SpindleError('authority_unavailable', "the server's own X.509-SVID has expired")
      },
    },
  ]
}

async function askForBundle(socket: string): Promise<string> {
  const client = createRpcClient({ kind: 'unix', path: socket })
  try {
    await client.call(Bundle.method.getBundle, {}, { deadlineMs: PROBE_MS })
  } finally {
    client.close()
  }
  return 'accepts and answers'
}
