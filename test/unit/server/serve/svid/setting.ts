import { createEmbeddedAuthority } from '../../../../../src/authority/embedded.ts'
import { createJwtSlotStore } from '../../../../../src/authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../../../../src/authority/jwt/jwt-slots.ts'
import { createFileSlotStore } from '../../../../../src/authority/slot-file.ts'
import { createServingIndex } from '../../../../../src/registration/serving.ts'
import type { ServerEntry } from '../../../../../src/registration/server-entry.ts'
import type { AuditEvent } from '../../../../../src/server/audit/audit.ts'
import type { SvidParts } from '../../../../../src/server/serve/svid/parts.ts'
import { createSvidService } from '../../../../../src/server/serve/svid/service.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { createStateFile } from '../../../../fakes/state-file.ts'
import { bundle, entry, entryId, id, td } from '../../../../fakes/store-values.ts'
import { bearer, callsOf } from '../called.ts'

export const MINUTE = 60_000
const HOUR = 60 * MINUTE
const trustDomain = td('example.org')

export const AGENT = bearer('/spire/agent/a')
export const OTHER_AGENT = bearer('/spire/agent/b')

/** An entry of agent a in the registry. */
export function registered(path: string, more: Partial<ServerEntry> = {}): ServerEntry {
  return { ...entry(path), id: entryId(path.slice(1)), revision: 3, createdAt: 0, ...more }
}

/** The svid service over authorities of its own, for these entries. */
export async function createSetting(
  there: readonly ServerEntry[],
  more: Partial<SvidParts> = {},
  /** In the store, and not in the registry before it asks there. */
  late: readonly ServerEntry[] = [],
) {
  let entries = there
  const clock = createManualClock()
  const random = createSeededRandom('svid')
  const about = { kind: 'embedded', trustDomain }
  const own = { trustDomain, keyType: 'ec-p256', clock, random } as const
  const x509 = await createEmbeddedAuthority({
    ...own,
    caTtlMs: 24 * HOUR,
    store: createFileSlotStore(createStateFile(), about),
  })
  const jwt = await createJwtAuthority({
    ...own,
    keyTtlMs: 24 * HOUR,
    store: createJwtSlotStore(createStateFile(), trustDomain),
  })
  const index = createServingIndex(id('/spire/server'))
  for (const each of entries) index.setEntry(each)
  const audited: AuditEvent[] = []
  const faults: unknown[] = []
  const parts: SvidParts = {
    trustDomain,
    clock,
    random,
    issuing: { x509, jwt },
    svid: { ttlMs: HOUR, jwtTtlMs: 5 * MINUTE },
    audit: { write: (...events) => void audited.push(...events) },
    faulted: (_, thrown) => void faults.push(thrown),
    registry: {
      entry: (wanted) => entries.find((each) => each.id === wanted),
      entriesNamed: (name) => entries.filter((each) => each.spiffeId === name),
      mayServe: (agent, wanted) => index.mayServe(agent, wanted),
      refreshed: async () => {
        for (const each of late) index.setEntry(each)
        entries = [...entries, ...late]
      },
      bundle: () =>
        bundle('example.org', {
          x509Authorities: x509.state.current.anchors.map((certificate) => ({
            certificate,
            tainted: false,
          })),
        }),
    },
    ...more,
  }
  const service = createSvidService(parts)
  return { clock, x509, jwt, audited, faults, parts, service, call: callsOf(service) }
}
