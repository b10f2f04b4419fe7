/**
 * Keeps the files of a configuration up to date with what a Workload API says. Whatever goes wrong, the files stay as they were:
 * a certificate that is about to expire is of more use than none.
 */
import type { FilesConfig } from '../config/files/files-config.ts'
import type { Clock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { Random } from '../runtime/random.ts'
import type { Log } from '../telemetry/log.ts'
import type { WorkloadClient } from '../workload/client.ts'
import type { JwtBundlesUpdate } from '../workload/jwt.ts'
import type { Watch } from '../workload/watch.ts'
import type { X509Update } from '../workload/x509.ts'
import { jwkSet, x509Content } from './content.ts'
import type { Content, Item } from './item.ts'
import { createItem, sayFault } from './item.ts'
import { fileWriter, rulesOf, x509Writer } from './places.ts'
import type { Write, Writer, X509Pieces } from './places.ts'
import { keepToken } from './tokens.ts'

export type FilesSource = Pick<WorkloadClient, 'watchX509' | 'watchJwtBundles' | 'fetchJwt'>

export interface FilesOptions extends Writer {
  readonly client: FilesSource
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Something has changed, and nothing that could still change in the same moment is missing. */
  readonly changed: () => void
}

export interface KeptFiles {
  readonly items: readonly Item[]
  /** Rejects when the agent gives an answer that asking again would only repeat; resolves when it is closed. */
  readonly ended: Promise<void>
  /** Puts files right that others have changed. */
  check(): void
  close(): void
}

/** @throws SpindleError `config_invalid` for a user or group that is not there */
export function keepFiles(config: FilesConfig, options: FilesOptions): KeptFiles {
  const { client, clock, random, log } = options
  const abort = new AbortController()
  const writer = { ...options, shared: config.sharedFolders }
  const settling = createSettling(options.changed)
  const add = (name: string): Item => {
    const item = createItem(name, { clock, random, log, changed: settling.changed })
    settling.add(item)
    return item
  }
  const x509 = config.x509.map((one, index): X509Kept => {
    const name = `x509[${index}]`
    const write = x509Writer(one, rulesOf(name, one, writer))
    return {
      item: add(name),
      contentOf: (update) => x509ContentOf(update, { config: one, write, clock, log }),
    }
  })
  const tokens = config.jwt.map((one, index) => {
    const name = `jwt[${index}]`
    const write = fileWriter(one, rulesOf(name, one, writer))
    return { item: add(name), options: { client, config: one, write, clock, random } }
  })
  const bundles = config.jwtBundles.map((one, index): Kept<JwtBundlesUpdate> => {
    const name = `jwtBundles[${index}]`
    const write = fileWriter(one, rulesOf(name, one, writer))
    const { trustDomain, file } = one
    return {
      item: add(name),
      contentOf(update) {
        const text = jwkSet(update.bundles, trustDomain)
        return { facts: { trustDomain, file }, write: () => write(text) }
      },
    }
  })
  // Nothing is asked before everything is known to be in order.
  const watches = [
    ...(x509.length === 0 ? [] : [client.watchX509(watchOf(x509, { signal: abort.signal, log }))]),
    ...(bundles.length === 0
      ? []
      : [client.watchJwtBundles(watchOf(bundles, { signal: abort.signal, log }))]),
  ]
  const ends = tokens.map((token) => keepToken(token.item, token.options))
  const items = [...x509, ...tokens, ...bundles].map(({ item }) => item)
  return {
    items,
    ended: Promise.all([...watches, closed(abort.signal)]).then(() => undefined),
    check: () => items.forEach((item) => item.check()),
    close() {
      abort.abort()
      for (const end of ends) end()
      for (const item of items) item.close()
    },
  }
}

interface Kept<T> {
  readonly item: Item
  /** @throws SpindleError: the item's files stay as they are */
  readonly contentOf: (update: T) => Content
}
type X509Kept = Kept<X509Update>

function x509ContentOf(
  update: X509Update,
  {
    config,
    write,
    clock,
    log,
  }: {
    readonly config: FilesConfig['x509'][number]
    readonly write: Write<X509Pieces>
    readonly clock: Clock
    readonly log: Log
  },
): Content {
  const { svid, doubt, ...pieces } = x509Content(update, config, clock.now())
  const { spiffeId, notAfter } = svid
  if (doubt !== undefined)
    log.warn({ spiffeId, doubt }, 'peers that know only the bundle may refuse this certificate')
  return { facts: { spiffeId }, expiresAt: notAfter, write: () => write(pieces) }
}

function watchOf<T extends { readonly notes: readonly string[] }>(
  kept: readonly Kept<T>[],
  { signal, log }: { readonly signal: AbortSignal; readonly log: Log },
): Watch<T> {
  let saidFault = ''
  return {
    signal,
    onUpdate(update) {
      saidFault = ''
      for (const note of update.notes) log.warn({ note }, 'passed over in what the agent says')
      for (const { item, contentOf } of kept)
        try {
          item.offer(contentOf(update))
        } catch (thrown) {
          if (!(thrown instanceof SpindleError)) throw thrown
          item.fail(thrown)
        }
    },
    onFault({ error }) {
      // Once for all items, and once as long as it goes on.
      const text = `${error.code} ${error.message}`
      if (text !== saidFault) sayFault(log, error)
      saidFault = text
      for (const { item } of kept) item.fail(error, true)
    },
  }
}

/** At the start, changes are told once each item has got as far as it gets; later ones at once. */
function createSettling(tell: () => void): { changed: () => void; add: (item: Item) => void } {
  const open = new Set<Item>()
  let hasChanged = false
  return {
    changed() {
      if (open.size === 0) tell()
      else hasChanged = true
    },
    add(item) {
      open.add(item)
      const stop = item.state.subscribe(() => {
        stop()
        open.delete(item)
        if (open.size === 0 && hasChanged) tell()
      })
    },
  }
}

function closed(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
}
