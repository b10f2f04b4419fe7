/** The watched files of a standalone agent: entries, and the bundles of other trust domains. */
import { readTrustAnchorsPem, usableTrustAnchors } from '../certs/parse.ts'
import type { StandaloneConfig } from '../config/agent-config.ts'
import { readEntries } from '../config/entries.ts'
import type { Fault } from '../config/fault.ts'
import { watchFile } from '../os/watch.ts'
import type { Registry } from '../registration/match.ts'
import { createRegistry } from '../registration/match.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Feed } from '../runtime/feed.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { parseBundle } from '../spiffe/bundle.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Source, SourceState } from './match/source.ts'
import { openSource } from './match/source.ts'

export interface Sources {
  /** What callers are matched with; undefined until it is there for the first time. */
  readonly entries: Feed<Registry | undefined>
  /** Of the files. */
  states(): readonly SourceState[]
  /** Looks at every file now. */
  check(): void
  close(): void
}

export interface FileSources extends Sources {
  readonly entries: Feed<Registry>
  /** Bundles of other trust domains. */
  readonly bundles: ReadonlyMap<TrustDomain, Source<Bundle>>
}

export interface SourcesOptions {
  readonly clock: Clock
  readonly onReload: (state: SourceState) => void
  /** What is worth saying about a file that is in use. */
  readonly onWarnings: (source: string, warnings: readonly Fault[]) => void
}

const MOST_ENTRY_BYTES = 64 * 2 ** 20
const MOST_BUNDLE_BYTES = 4 * 2 ** 20

/** @throws SpindleError `config_invalid` or `bundle_invalid` when a file cannot be used at the start. */
export function openSources(config: StandaloneConfig, options: SourcesOptions): FileSources {
  const { clock, onReload, onWarnings } = options
  const opened: Source<unknown>[] = []
  const open = <T>(
    name: string,
    file: string,
    maxBytes: number,
    parse: (text: string) => T,
  ): Source<T> => {
    const source = openSource({
      name,
      file,
      clock,
      watch: (path, changed) => watchFile(path, { clock, maxBytes, changed }),
      parse,
      onReload,
    })
    opened.push(source)
    return source
  }
  try {
    const entries = open('entries', config.entries.file, MOST_ENTRY_BYTES, (text) => {
      const read = readEntriesOf(config, text)
      onWarnings('entries', read.warnings)
      return createRegistry(read.entries)
    })
    const bundles = new Map(
      Object.entries(config.bundles).map(([name, { file }]) => {
        const trustDomain = name as TrustDomain
        const source = open(`bundle ${trustDomain}`, file, MOST_BUNDLE_BYTES, (text) => {
          const read = readBundle(trustDomain, text, file)
          onWarnings(
            `bundle ${trustDomain}`,
            read.notes.map((message) => ({ path: '', message })),
          )
          return read.bundle
        })
        return [trustDomain, source] as const
      }),
    )
    return {
      entries: entries.content,
      bundles,
      states: () => opened.map((source) => source.state),
      check: () => opened.forEach((source) => source.check()),
      close: () => opened.forEach((source) => source.close()),
    }
  } catch (thrown) {
    for (const source of opened) source.close()
    throw thrown
  }
}

export function readEntriesOf(
  config: Pick<StandaloneConfig, 'trustDomain' | 'entries' | 'bundles'>,
  text: string,
): ReturnType<typeof readEntries> {
  const { file } = config.entries
  const bundles = Object.keys(config.bundles) as TrustDomain[]
  return readEntries(text, { file, trustDomain: config.trustDomain, bundles })
}

/** A bundle file is a SPIFFE bundle (JSON) or the PEM of its X.509 authorities. */
export function readBundle(
  trustDomain: TrustDomain,
  text: string,
  file: string,
): { readonly bundle: Bundle; readonly notes: readonly string[] } {
  if (/^\s*\{/.test(text)) {
    const { bundle, ignored } = parseBundle(trustDomain, text)
    const { anchors, warnings } = usableTrustAnchors(bundle.x509Authorities)
    return { bundle: { ...bundle, x509Authorities: anchors }, notes: [...ignored, ...warnings] }
  }
  const { anchors, warnings } = readTrustAnchorsPem(text, file)
  return {
    bundle: { trustDomain, x509Authorities: anchors.map(({ der }) => der), jwtAuthorities: [] },
    notes: warnings,
  }
}
