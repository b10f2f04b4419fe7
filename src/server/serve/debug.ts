/** spire.api.server.debug.v1: what there is of what, for a look at a server. */
import { Debug } from '#spire/api/server/debug/v1/debug_pb.js'
import { parseCertificate } from '../../certs/parse.ts'
import type { Clock } from '../../runtime/clock.ts'
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { Store } from '../../store/port.ts'
import type { Registry } from '../enroll/registry.ts'
import type { Issuing } from '../issue/issuing.ts'
import { idMessage } from './api/ids.ts'
import { unaryService } from './service.ts'
import type { ApiService, Faulted } from './service.ts'

export interface DebugParts {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly store: Pick<Store, 'entries' | 'agents' | 'bundles'>
  readonly registry: Pick<Registry, 'bundle'>
  readonly issuing: Pick<Issuing, 'svid'>
  readonly faulted: Faulted
}

export function createDebugService(parts: DebugParts): ApiService {
  const { clock, store, faulted } = parts
  const started = clock.monotonic()
  return unaryService(
    Debug,
    {
      async getInfo() {
        const [agentsCount, entriesCount, federatedBundlesCount] = await Promise.all([
          store.agents.count({}),
          store.entries.count({}),
          // The own one among them, as SPIRE counts.
          store.bundles.count(),
        ])
        const uptime = Math.floor((clock.monotonic() - started) / 1000)
        const svidChain = chainOf(parts)
        return { svidChain, uptime, agentsCount, entriesCount, federatedBundlesCount }
      },
    },
    faulted,
  )
}

/** The server's own chain, up to the authority of the bundle that it leads to. */
function chainOf({ issuing, registry, trustDomain }: DebugParts) {
  const chain = issuing.svid.current.chain.map((der) => parseCertificate(der, 'the own chain'))
  const authorities = (registry.bundle(trustDomain)?.x509Authorities ?? []).map(({ certificate }) =>
    parseCertificate(certificate, 'an authority'),
  )
  const anchor = authorities.find(({ x509 }) => chain.at(-1)?.x509.checkIssued(x509) === true)
  return [...chain, ...(anchor === undefined ? [] : [anchor])].map(
    ({ uriSans: [uri = ''], notAfter, subject }) => {
      const id = attempt(() => idMessage(parseSpiffeId(uri)))
      const expiresAt = BigInt(Math.floor(notAfter / 1000))
      return { ...(id && { id }), expiresAt, subject }
    },
  )
}

/** What operators add to a bundle, and the names in their certificates, need not be what we would write. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
