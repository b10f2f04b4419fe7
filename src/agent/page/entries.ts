/** Entries as the status page is told them: with who uses each, and who would. */
import type { PageEntry, PageState } from '../../http/page-state.ts'
import type { Entry } from '../../registration/entry.ts'
import { createRegistry } from '../../registration/match.ts'
import { nearCallers } from '../../registration/near-callers.ts'
import type { NearCaller } from '../../registration/near-callers.ts'
import type { Caller } from '../match/caller.ts'
import type { Identities } from '../obtain/identities.ts'
import type { Sources } from '../sources.ts'
import { given } from './fields.ts'

const USERS_TOLD = 100
const ENTRIES_TOLD = 5_000

/** `callers`: those that are told of. */
export function describeEntries(
  { identities, sources }: { readonly identities: Identities; readonly sources: Sources },
  callers: readonly Caller[],
): Pick<PageState, 'entries' | 'entryCount' | 'nearComplete'> {
  const registry = sources.entries.current ?? createRegistry([])
  const users = Map.groupBy(
    callers.flatMap((caller) =>
      caller.state.current.match.entries.map(({ id }) => ({ id, caller })),
    ),
    ({ id }) => id,
  )
  const known = callers.flatMap((caller) => {
    const { attestation } = caller.state.current
    return attestation === undefined ? [] : [[caller, attestation] as const]
  })
  // Who has an entry hardly waits for another one, unless nobody has that.
  const all = nearCallers(registry, known)
  const without = nearCallers(
    registry,
    known.filter(([caller]) => caller.state.current.match.entries.length === 0),
  )
  return {
    entryCount: registry.entries.length,
    entries: registry.entries.slice(0, ENTRIES_TOLD).map((entry) =>
      describeEntry(entry, {
        near:
          without.byEntry.get(entry.id) ?? (users.has(entry.id) ? [] : all.byEntry.get(entry.id)),
        users: users.get(entry.id)?.map(({ caller }) => caller) ?? [],
        held: identities.find(entry.id),
      }),
    ),
    nearComplete: all.complete && without.complete,
  }
}

interface AboutEntry {
  readonly users: readonly Caller[]
  readonly near: readonly NearCaller<Caller>[] | undefined
  readonly held: ReturnType<Identities['find']>
}

function describeEntry(entry: Entry, { users, near, held }: AboutEntry): PageEntry {
  const { id, spiffeId, selectors, hint, federatesWith } = entry
  return {
    id,
    spiffeId,
    selectors,
    hint,
    default: entry.default,
    federatesWith,
    ...given('issuedAt', held?.current?.svid.issuedAt),
    ...given('renewsAt', held?.current?.renewAt),
    ...given('expiresAt', held?.current?.svid.notAfter),
    ...given('fault', held?.fault),
    usedBy: users.slice(0, USERS_TOLD).map(idOf),
    users: users.length,
    near: (near ?? []).map(({ caller, missing }) => ({
      sidecar: idOf(caller),
      missing,
    })),
  }
}

const idOf = (caller: Caller): string => caller.connection.id
