import type { TestContext } from 'node:test'
import type { IdentityEvent } from '../../../../src/agent/obtain/identity.ts'
import { createIdentities } from '../../../../src/agent/obtain/identities.ts'
import type { IdentitiesOptions } from '../../../../src/agent/obtain/identities-options.ts'
import type { Identities } from '../../../../src/agent/obtain/identities.ts'
import type { Identity } from '../../../../src/agent/obtain/identity.ts'
import type { Entry } from '../../../../src/registration/entry.ts'
import type { Random } from '../../../../src/runtime/random.ts'
import type { SpiffeId } from '../../../../src/spiffe/spiffe-id.ts'
import { createFakeAuthority } from '../../../fakes/authority.ts'
import type { FakeAuthority } from '../../../fakes/authority.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { createScriptedRandom } from '../../../fakes/random.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

export const entry = (name: string, more: Partial<Entry> = {}): Entry => ({
  id: name,
  spiffeId: `spiffe://example.org/${name}` as SpiffeId,
  selectors: [],
  dnsNames: [],
  federatesWith: [],
  hint: '',
  default: false,
  ...more,
})

export interface Setting {
  readonly clock: ManualClock
  readonly authority: FakeAuthority
  readonly identities: Identities
  readonly events: IdentityEvent[]
  /** The entry ids of which a change was told. */
  readonly changes: string[]
  /** What Envoy would say against the next one. */
  faults: readonly string[]
}

export function setting(
  t: TestContext,
  random: Random = createScriptedRandom(0.5),
  more: Pick<IdentitiesOptions, 'spreads'> = {},
): Setting {
  const clock = createManualClock()
  const authority = createFakeAuthority(clock)
  const events: IdentityEvent[] = []
  const changes: string[] = []
  const made: Setting = {
    clock,
    authority,
    events,
    changes,
    faults: [],
    identities: createIdentities({
      authority,
      clock,
      random,
      keyType: 'ec-p256',
      ttlMs: HOUR,
      onEvent: (event) => events.push(event),
      check: () => made.faults,
      ...more,
    }),
  }
  made.identities.onChange((entryId) => changes.push(entryId))
  t.after(() => made.identities.close())
  return made
}

export const text = (identity: Identity | undefined): string =>
  identity?.svid.chain[0]?.toString() ?? 'none'
export const kinds = (events: readonly IdentityEvent[]): string[] =>
  events.map((event) => event.kind)
