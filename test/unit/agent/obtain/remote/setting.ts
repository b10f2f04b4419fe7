import type { TestContext } from 'node:test'
import type { Cache, CacheEvent } from '../../../../../src/agent/obtain/cache/cache.ts'
import { openCache } from '../../../../../src/agent/obtain/cache/cache.ts'
import type { IdentityEvent } from '../../../../../src/agent/obtain/identity.ts'
import { createRemoteSupply } from '../../../../../src/agent/obtain/remote/supply.ts'
import type { Supply } from '../../../../../src/agent/obtain/supply.ts'
import { readAgentConfig } from '../../../../../src/config/agent-config.ts'
import type { RemoteConfig } from '../../../../../src/config/agent-config.ts'
import { openStateFile } from '../../../../../src/os/state-file.ts'
import type { Registry } from '../../../../../src/registration/match.ts'
import { createFeed } from '../../../../../src/runtime/feed.ts'
import type { Random } from '../../../../../src/runtime/random.ts'
import { parseTrustDomain } from '../../../../../src/spiffe/spiffe-id.ts'
import type { ManualClock } from '../../../../fakes/clock.ts'
import type { FakeLink } from '../../../../fakes/server-link.ts'

export const CONFIG = readAgentConfig(
  `trustDomain: example.org
authority: { kind: server, address: "h:1", insecure: true, attest: { kind: join-token, token: t } }
`,
  { file: '/etc/spindle/agent.yaml' },
).config as RemoteConfig

export function report(events: IdentityEvent[] = []) {
  const nothing = (): void => undefined
  return {
    authority: nothing,
    authorityEvent: nothing,
    jwtAuthority: nothing,
    jwtAuthorityEvent: nothing,
    identityEvent: (event: IdentityEvent) => void events.push(event),
    jwtSvidEvent: nothing,
    bundles: nothing,
  }
}

export interface Running extends Supply {
  readonly registry: ReturnType<typeof createFeed<Registry | undefined>>
  readonly events: IdentityEvent[]
}

/** The supply of an agent whose server is `link`. */
export function start(
  t: TestContext,
  parts: {
    readonly clock: ManualClock
    readonly random: Random
    readonly link: FakeLink
    readonly cache?: Cache
  },
): Running {
  const events: IdentityEvent[] = []
  const registry = createFeed<Registry | undefined>(undefined)
  const supply = createRemoteSupply(CONFIG, {
    ...parts,
    cache: parts.cache,
    registry,
    report: report(events),
  })
  t.after(() => supply.close())
  return { ...supply, registry, events }
}

export function cacheIn(
  folder: string,
  { clock, random }: { readonly clock: ManualClock; readonly random: Random },
  events: CacheEvent[] = [],
): Promise<Cache> {
  return openCache({
    trustDomain: parseTrustDomain('example.org'),
    stateDir: folder,
    folder,
    rejoin: 'Bring a join token.',
    open: (path) => openStateFile(path, clock),
    clock,
    random,
    onEvent: (event) => void events.push(event),
  })
}
