/** An agent with a server, opened: its cache first, so that what was kept is served before the server is even called. */
import type { RemoteConfig } from '../../../config/agent-config.ts'
import { openStateFile } from '../../../os/state-file.ts'
import type { Registry } from '../../../registration/match.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { MutableFeed } from '../../../runtime/feed.ts'
import type { Random } from '../../../runtime/random.ts'
import type { Log } from '../../../telemetry/log.ts'
import type { CacheEvent } from '../cache/cache.ts'
import { openCache } from '../cache/cache.ts'
import type { ServerLink } from '../server/link.ts'
import { openServerLink } from '../server/open-link.ts'
import type { LinkOptions } from '../server/settings.ts'
import type { Supply, SupplyReport } from '../supply.ts'
import { createRemoteSupply } from './supply.ts'
import type { ServerView } from './view.ts'

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
  const { clock, random, log, version, report, cacheFolder, openLink = openServerLink } = options
  const { host, port } = authority.address
  const cache =
    authority.cache === 'off'
      ? undefined
      : await openCache({
          trustDomain,
          stateDir: config.stateDir,
          folder: cacheFolder,
          rejoin: rejoinWith(authority),
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

/** A join token is good for once; whatever else proves the node does so again. */
function rejoinWith({ attest, address }: RemoteConfig['authority']): string {
  if (attest.kind !== 'join-token') return 'Nothing is to be done: the node attests anew by itself.'
  const place = 'tokenFile' in attest ? attest.tokenFile : 'authority.attest.token'
  return `The node has to join anew: on the server ${address.host} run \`spindle token generate\`, with the --spiffe-id of this node if it had one, and put the token into ${place}; a file is read at the next attempt.`
}
