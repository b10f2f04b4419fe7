import * as z from 'zod'
import { createEntry } from '../registration/entry.ts'
import type { Entry, EntryFields } from '../registration/entry.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { ConfigError, shown } from './fault.ts'
import type { Fault, Path } from './fault.ts'
import { readJson } from './text/json-text.ts'
import { duration, durationText } from './scalars.ts'
import { readShape } from './schema-faults.ts'
import { child, isMapping } from './schema-node.ts'
import { located, readYaml } from './text/source-text.ts'
import type { PathFault } from './text/source-text.ts'
import { SPIRE_FIELDS, spireEntry } from './spire-entries.ts'
import type { EntryShape } from './spire-entries.ts'

/** Entries one file may hold; a fleet larger than this is a server's work. */
const MOST_ENTRIES = 100_000
const SHORT_TTL_MS = 60_000

/** One entry in our own form. docs/config.md is written from this. */
export const entrySchema = z.strictObject({
  spiffeId: z
    .string()
    .describe('SPIFFE ID the caller may have, in the trust domain of the agent.')
    .meta({
      label: 'SPIFFE ID',
      allowed: 'a SPIFFE ID such as spiffe://example.org/web',
      example: 'spiffe://example.org/web',
    }),
  selectors: z
    .array(z.string().meta({ allowed: 'a selector such as unix:uid:1001' }))
    .describe('Facts about the caller, all of which must hold.')
    .meta({
      label: 'list of selectors',
      allowed: 'a list of selectors such as unix:uid:1001',
      example: '[unix:uid:1001]',
    }),
  x509SvidTtl: duration({ min: '10s', max: '1825d' })
    .optional()
    .describe('Life of its X.509-SVIDs, never beyond the CA certificate that signs.')
    .meta({ example: '1h', defaultText: 'svid.ttl' }),
  jwtSvidTtl: duration({ min: '10s', max: '1d' })
    .optional()
    .describe('Life of its JWT-SVIDs, never beyond the key that signs.')
    .meta({ example: '5m', defaultText: 'svid.jwtTtl' }),
  dnsNames: z
    .array(z.string().meta({ allowed: 'a DNS name' }))
    .prefault([])
    .describe('DNS names in its X.509-SVIDs.')
    .meta({ label: 'list of DNS names', example: '[web.example.org]' }),
  federatesWith: z
    .array(z.string().meta({ allowed: 'a trust domain such as partner.test' }))
    .prefault([])
    .describe('Other trust domains whose bundles its callers get.')
    .meta({ label: 'list of trust domains', example: '[partner.test]' }),
  hint: z
    .string()
    .prefault('')
    .describe(
      'A name for the identity among those of one caller, and a secret name too. Where two entries of a caller share one, the first in the file has it.',
    )
    .meta({ example: 'internal' }),
  default: z
    .boolean()
    .default(false)
    .describe('Whether `default` is this identity. Without a mark it is the first in the file.'),
})

export interface EntriesOptions {
  /** Named in faults. */
  readonly file: string
  /** Of the agent. */
  readonly trustDomain: TrustDomain
  /** Other trust domains whose bundles are configured. */
  readonly bundles: readonly TrustDomain[]
}

/**
 * Reads an entries file: our YAML (or the same as JSON), or the JSON that SPIRE's `entry create -data` takes. The order of the
 * file is the age of the entries, first is oldest.
 * @throws ConfigError with every fault of every entry at once
 */
export function readEntries(
  text: string,
  options: EntriesOptions,
): { readonly entries: readonly Entry[]; readonly warnings: readonly Fault[] } {
  const source = /^\uFEFF?\s*[{[]/.test(text) ? readJson(text) : readYaml(text)
  if (source.faults.length > 0) throw new ConfigError(options.file, source.faults)
  const list = entryList(source.value)
  if ('fault' in list) throw new ConfigError(options.file, located(source, list.fault))

  const faults: PathFault[] = []
  const warnings: PathFault[] = []
  const entries: Entry[] = []
  const first = new Map<string, number>()
  list.values.forEach((value, index) => {
    const read = readEntry(value, ['entries', index], options)
    faults.push(...read.faults)
    if (read.entry === undefined) return
    const twin = first.get(read.entry.id)
    if (twin === undefined) {
      first.set(read.entry.id, index)
      entries.push(read.entry)
      warnings.push(...read.warnings)
    } else
      warnings.push({
        path: ['entries', index],
        message: `says the same as entries[${twin}] and is passed over`,
      })
  })
  if (faults.length > 0) throw new ConfigError(options.file, located(source, faults))
  return { entries, warnings: located(source, warnings) }
}

function entryList(
  value: unknown,
): { readonly values: readonly unknown[] } | { readonly fault: readonly PathFault[] } {
  const fault = (path: Path, message: string) => ({ fault: [{ path, message }] })
  if (!isMapping(value))
    return fault([], `is ${shown(value)}; allowed: a mapping with the key entries`)
  const values = child(value, 'entries')
  const others = Object.keys(value).filter((key) => key !== 'entries')
  if (others.length > 0)
    return {
      fault: others.map((key) => ({
        path: [key],
        message: 'is not a key that is known here; allowed: entries',
      })),
    }
  // An empty list is how the last entry is taken away; a missing or empty key is more likely a file cut short.
  if (!Array.isArray(values))
    return fault(
      ['entries'],
      `is ${values === undefined ? 'missing' : shown(values)}; allowed: a list of entries, [] for none`,
    )
  if (values.length > MOST_ENTRIES)
    return fault(['entries'], `has ${values.length} entries; allowed: at most ${MOST_ENTRIES}`)
  return { values }
}

interface Read {
  readonly entry?: Entry
  readonly faults: readonly PathFault[]
  readonly warnings: readonly PathFault[]
}

function readEntry(value: unknown, at: Path, options: EntriesOptions): Read {
  const spire = isMapping(value) && Object.hasOwn(value, 'spiffe_id')
  const shape = spire ? spireEntry(value) : ownEntry(value)
  const made = createEntry(
    { ...placeholder(options.trustDomain), ...shape.fields },
    options.trustDomain,
  )
  const faults = [...shape.faults]
  for (const { path, message } of made.faults ?? []) {
    const inner = pathOf(path).map((part) => (spire ? (SPIRE_FIELDS[part] ?? part) : part))
    faults.push({ path: inner, message })
  }
  const warnings = [...shape.warnings]
  if (made.entry !== undefined) warnings.push(...entryWarnings(made.entry, spire, options))
  return {
    ...(made.entry !== undefined && faults.length === 0 && { entry: made.entry }),
    faults: faults.map((fault) => below(at, fault)),
    warnings: warnings.map((warning) => below(at, warning)),
  }
}

/** Stands in for fields that could not be read, so that the others are checked all the same. */
function placeholder(trustDomain: TrustDomain): EntryFields {
  return { spiffeId: `spiffe://${trustDomain}/unread`, selectors: ['unix:uid:0'] }
}

function ownEntry(value: unknown): EntryShape {
  const read = readShape(entrySchema, value)
  const { x509SvidTtl: x509SvidTtlMs, jwtSvidTtl: jwtSvidTtlMs, ...fields } = read.fields
  return { fields: { ...fields, x509SvidTtlMs, jwtSvidTtlMs }, faults: read.faults, warnings: [] }
}

function entryWarnings(
  entry: Entry,
  spire: boolean,
  options: EntriesOptions,
): readonly PathFault[] {
  const name = (field: string): string => (spire ? String(SPIRE_FIELDS[field] ?? field) : field)
  const warnings: PathFault[] = entry.federatesWith
    .filter((domain) => !options.bundles.includes(domain))
    .map((domain) => ({
      path: [name('federatesWith')],
      message: `names ${domain}, of which no bundle is configured: callers do not get one`,
    }))
  const ttl = entry.x509SvidTtlMs
  if (ttl !== undefined && ttl < SHORT_TTL_MS)
    warnings.push({
      path: [name('x509SvidTtl')],
      message: `is ${durationText(ttl)}: below 1m a short fault of the authority already lets X.509-SVIDs expire`,
    })
  return warnings
}

function below(at: Path, fault: PathFault): PathFault {
  return { path: [...at, ...fault.path], message: fault.message }
}

/** `selectors[2]` as its parts. */
function pathOf(text: string): Path {
  const match = /^(\w+)\[(\d+)\]$/.exec(text)
  return match === null ? [text] : [match[1]!, Number(match[2])]
}
