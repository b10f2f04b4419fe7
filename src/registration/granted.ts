import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts'
import type { Entry } from './entry.ts'
import { defaultEntry } from './match.ts'

/** What a caller may be. Its entries are looked up by name for every secret: each index is made when it is first asked. */
export class Granted {
  /** Those the caller matches, oldest first. */
  readonly entries: readonly Entry[]
  /** One of `entries`; undefined where there is none. */
  readonly defaultEntry: Entry | undefined
  #bySpiffeId: ReadonlyMap<SpiffeId, Entry> | undefined
  #byHint: ReadonlyMap<string, Entry> | undefined
  #federatesWith: ReadonlySet<TrustDomain> | undefined

  constructor(entries: readonly Entry[]) {
    this.entries = entries
    this.defaultEntry = defaultEntry(entries)
  }

  /** The oldest entry of the SPIFFE ID. */
  ofSpiffeId(id: SpiffeId): Entry | undefined {
    this.#bySpiffeId ??= oldestBy(this.entries, ({ spiffeId }) => spiffeId)
    return this.#bySpiffeId.get(id)
  }

  /** The oldest entry of the hint; '' is none. */
  ofHint(hint: string): Entry | undefined {
    this.#byHint ??= oldestBy(this.entries, (entry) => entry.hint)
    return hint === '' ? undefined : this.#byHint.get(hint)
  }

  /** Trust domains beside the own. */
  get federatesWith(): ReadonlySet<TrustDomain> {
    this.#federatesWith ??= new Set(this.entries.flatMap((entry) => entry.federatesWith))
    return this.#federatesWith
  }
}

function oldestBy<K>(entries: readonly Entry[], keyOf: (entry: Entry) => K): ReadonlyMap<K, Entry> {
  const index = new Map<K, Entry>()
  for (const entry of entries) if (!index.has(keyOf(entry))) index.set(keyOf(entry), entry)
  return index
}
