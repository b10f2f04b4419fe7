/** The authorities of a server on a real store, and the registry that follows it. */
import type { TestContext } from 'node:test'
import type { AuditEvent } from '../../../../../src/server/audit/audit.ts'
import { openRegistry } from '../../../../../src/server/enroll/open-registry.ts'
import { readingOf } from '../../../../../src/server/publish/fleet-view.ts'
import { createLocalAuthorityService } from '../../../../../src/server/serve/localauthority/service.ts'
import type { SpiffeId } from '../../../../../src/spiffe/spiffe-id.ts'
import { createLog } from '../../../../../src/telemetry/log.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { fleet, trustDomain } from '../../issue/setting.ts'
import { callsOf } from '../called.ts'

export async function createSetting(t: TestContext, config?: string) {
  const { clock, store, server, bundle } = await fleet(t)
  const random = createSeededRandom('registry')
  const log = createLog({ level: 'error', format: 'text', stream: { write() {} }, clock })
  const registry = await openRegistry({ store, trustDomain, clock, random, log })
  t.after(() => registry.close())
  const issuing = await server('a', config).open({ registry })
  const audited: AuditEvent[] = []
  /** Which agents hold X.509-SVIDs of which authority. */
  const held = new Map<string, Set<SpiffeId>>()
  const faults: unknown[] = []
  const parts = {
    trustDomain,
    clock,
    store,
    registry,
    issuing,
    audit: { write: (...events: readonly AuditEvent[]) => void audited.push(...events) },
    fleet: {
      everywhere: async () =>
        readingOf(
          () => new Set(Array.from(held.values()).flatMap((agents) => [...agents])),
          (agent) => {
            const x509 = Array.from(held).flatMap(([one, by]) => (by.has(agent) ? [one] : []))
            return [{ x509, jwt: [], more: [] }]
          },
        ),
    },
    faulted: (_: string, thrown: unknown) => void faults.push(thrown),
  }
  const call = callsOf(createLocalAuthorityService(parts))
  return { ...parts, held, server, bundle, audited, faults, call }
}
