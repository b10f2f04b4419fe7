/** An agent with a server, opened: its cache first, so that what was kept is served before the server is even called. */
import type { KeyType } from '../../../certs/keys.ts'
import type { RemoteConfig } from '../../../config/agent-config.ts'
import type { ServerLinkConfig } from '../../../config/link/link-config.ts'
import { openStateFile } from '../../../os/state-file.ts'
import type { Registry } from '../../../registration/match.ts'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { MutableFeed } from '../../../runtime/feed.ts'
import type { Random } from '../../../runtime/random.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { CacheEvent } from '../cache/cache.ts'
import { openCache } from '../cache/cache.ts'
import type { LinkMemory, ServerLink } from '../server/link.ts'
import type { Supply, SupplyReport } from '../supply.ts'
import { createRemoteSupply } from './supply.ts'
import type { ServerView } from './view.ts'

/** What a link is opened with. */
export interface LinkOptions {
  readonly config: ServerLinkConfig
  readonly trustDomain: TrustDomain
  /** Of the agent's own keys. */
  readonly keyType: KeyType
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly version: string
  /** Of the process before this one. */
  readonly memory: LinkMemory | undefined
  readonly remember: (memory: LinkMemory) => Promise<void>
}

export interface OpenRemoteOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly version: string
  readonly registry: MutableFeed<Registry | undefined>
  /** Of the identities that are kept. */
  readonly cacheFolder: string
  readonly report: SupplyReport & { cacheEvent(event: CacheEvent): void }
  readonly openLink?: (options: LinkOptions) => Promise<ServerLink>
}

/** Many entries of many identities. */
const MOST_CACHE_BYTES = 512 * 2 ** 20

/** `stateDir` and `cacheFolder` must be there and ours. */
export async function openRemoteSupply(
  config: RemoteConfig,
  options: OpenRemoteOptions,
): Promise<Supply & { readonly server: ServerView }> {
  const { authority, trustDomain } = config
  const { clock, random, log, version, report, cacheFolder, openLink = notYet } = options
  const { host, port } = authority.address
  const cache =
    authority.cache === 'off'
      ? undefined
      : await openCache({
          trustDomain,
          stateDir: config.stateDir,
          folder: cacheFolder,
          open: (path) => openStateFile(path, clock, MOST_CACHE_BYTES),
          clock,
          random,
          onEvent: report.cacheEvent,
        })
  const link = await openLink({
    config: authority,
    trustDomain,
    keyType: 'ec-p256',
    clock,
    random,
    log,
    version,
    memory: cache?.memory,
    remember: async (memory) => cache?.remember(memory),
  })
  const supply = createRemoteSupply(config, { ...options, link, cache })
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return { ...supply, server: { address, state: link.state, cache } }
}

async function notYet(): Promise<never> {
  throw new SpindleError('unsupported', 'authority.kind: server is not there yet')
}
