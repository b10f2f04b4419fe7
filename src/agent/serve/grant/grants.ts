import type { Feed } from '../../../runtime/feed.ts'
import type { Caller } from '../../match/caller.ts'
import type { Identities } from '../../obtain/identities.ts'
import { Grant } from './grant.ts'

/** The grants of the callers that have asked for something, whatever they asked it of. */
export interface Grants {
  readonly all: ReadonlyMap<Caller, Grant>
  /** Made when first asked for; it ends with the connection. */
  of(caller: Caller): Grant
  close(): void
}

export function createGrants({
  identities,
  bundles,
}: {
  readonly identities: Identities
  /** Each change may change what callers have. */
  readonly bundles: Feed<unknown>
}): Grants {
  const all = new Map<Caller, Grant>()
  const unsubscribeIdentities = identities.onChange((entryId) => {
    for (const grant of all.values()) if (grant.lease(entryId) !== undefined) grant.changed(entryId)
  })
  const unsubscribeBundles = bundles.subscribe(() => {
    for (const grant of all.values()) grant.changed()
  })
  return {
    all,
    of(caller) {
      const known = all.get(caller)
      if (known !== undefined) return known
      const grant = new Grant(caller, identities)
      all.set(caller, grant)
      caller.connection.onClose(() => {
        all.delete(caller)
        grant.close()
      })
      return grant
    },
    close() {
      unsubscribeIdentities()
      unsubscribeBundles()
      for (const grant of all.values()) grant.close()
    },
  }
}
