/** Where an agent has what it serves from: files and keys of its own, or a server. */
import { basename, dirname, join } from 'node:path'
import type { AgentConfig, RemoteConfig } from '../../config/agent-config.ts'
import { isStandalone } from '../../config/agent-config.ts'
import type { Libc } from '../../os/libc.ts'
import { removeTemporaries } from '../../os/files.ts'
import { ensureSafeFolder } from '../../os/safe-folder.ts'
import type { Registry } from '../../registration/match.ts'
import type { Clock } from '../../runtime/clock.ts'
import { createFeed } from '../../runtime/feed.ts'
import type { MutableFeed } from '../../runtime/feed.ts'
import type { Random } from '../../runtime/random.ts'
import type { Log } from '../../telemetry/log.ts'
import type { ServerView } from '../obtain/remote/view.ts'
import type { Supply } from '../obtain/supply.ts'
import { openSupply } from '../obtain/supply.ts'
import type { Reporter } from '../reporter.ts'
import type { Sources } from '../sources.ts'
import { openSources } from '../sources.ts'

export interface Origin {
  readonly sources: Sources
  /** Once socket and `stateDir` are ours. @throws SpindleError `config_invalid` where an attached CA cannot be used. */
  open(): Promise<Supply & { readonly server: ServerView | undefined }>
}

export interface OriginOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly version: string
  readonly report: Reporter
  /** Of the agent. */
  readonly uid: number
  readonly libc: Libc
}

/** @throws SpindleError `config_invalid` or `bundle_invalid` when a file cannot be used at the start. */
export function openOrigin(config: AgentConfig, options: OriginOptions): Origin {
  const { clock, report } = options
  if (!isStandalone(config)) return openRemote(config, options)
  const sources = openSources(config, {
    clock,
    onReload: report.reloaded,
    onWarnings: report.warnings,
  })
  return {
    sources,
    async open() {
      const supply = await openSupply(config, { ...options, federated: sources.bundles })
      return { ...supply, server: undefined }
    },
  }
}

function openRemote(config: RemoteConfig, options: OriginOptions): Origin {
  const entries: MutableFeed<Registry | undefined> = createFeed<Registry | undefined>(undefined)
  return {
    sources: { entries, states: () => [], check: () => undefined, close: () => undefined },
    async open() {
      // What speaks to servers is loaded by those who have one: an agent alone starts without it.
      const { openRemoteSupply } = await import('../obtain/remote/open.ts')
      const { cache } = config.authority
      const folder = cache === 'run' ? cacheFolder(config.socket, options.uid) : config.stateDir
      return openRemoteSupply(config, { ...options, registry: entries, cacheFolder: folder })
    },
  }
}

/** Of the agent that has the socket, whichever others there are in its folder. */
function cacheFolder(socket: string, uid: number): string {
  const own = join(dirname(socket), 'cache', basename(socket, '.sock'))
  const folder = ensureSafeFolder(own, { uid, folderMode: 0o700 })
  removeTemporaries(folder)
  return folder
}
