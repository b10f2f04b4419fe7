/**
 * Entries of a file: the JSON that SPIRE's `entry create -data` takes, what `entry export` writes, an entries file of an agent
 * alone, or the JSON of `entry show`. Names of keys may be in any of their ways (`spiffe_id`, `spiffeId`); one that is not known
 * is a fault, where SPIRE passes it over.
 */
import { create } from '@bufbuild/protobuf'
import type { Entry } from '#spire/api/types/entry_pb.js'
import { EntrySchema } from '#spire/api/types/entry_pb.js'
import { ConfigError, nearest, shown } from '../../../config/fault.ts'
import { parseDuration } from '../../../config/scalars.ts'
import { child, isMapping } from '../../../config/schema-node.ts'
import { readJson } from '../../../config/text/json-text.ts'
import { located, readYaml } from '../../../config/text/source-text.ts'
import type { PathFault, Source } from '../../../config/text/source-text.ts'
import { parseSelector } from '../../../registration/selector.ts'
import { messageOf } from '../../../runtime/errors.ts'
import { parseSpiffeId } from '../../../spiffe/spiffe-id.ts'
import { selectorMessage } from '../../../wire/spire/entry.ts'
import { spiffeIdMessage } from '../../../wire/spire/spiffe-id.ts'
import type { Io } from '../../io.ts'
import { readGiven } from '../../read-file.ts'

/** What a key's value means, or undefined where it is none that it may have. */
type Read = (value: unknown) => unknown

interface Field {
  /** Of the message, or `''`: what it says is the server's. */
  readonly name: keyof Entry | 'more' | ''
  readonly read: Read
  readonly allowed: string
}

const seconds: Read = (value) => {
  const ms = typeof value === 'string' ? parseDuration(value) : undefined
  const found = ms === undefined ? value : ms / 1000
  return Number.isInteger(found) && (found as number) >= 0 ? found : undefined
}
const instant: Read = (value) => {
  const found = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(found) && (found as number) >= 0 ? BigInt(found as number) : undefined
}
const text: Read = (value) => (typeof value === 'string' ? value : undefined)
const flag: Read = (value) => (typeof value === 'boolean' ? value : undefined)
const texts: Read = (value) =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined

const id: Read = (value) => {
  const [trustDomain, path] = [member(value, 'trustdomain'), member(value, 'path')]
  if (typeof trustDomain === 'string')
    return readId(`spiffe://${trustDomain}${typeof path === 'string' ? path : ''}`)
  return typeof value === 'string' ? readId(value) : undefined
}
const readId = (given: string): unknown => spiffeIdMessage(parseSpiffeId(given))

const selectors: Read = (value) =>
  Array.isArray(value) && value.length > 0 ? value.map(selector) : undefined

function selector(value: unknown): unknown {
  const [type, of] = [member(value, 'type'), member(value, 'value')]
  if (typeof type === 'string' && typeof of === 'string') return { type, value: of }
  return selectorMessage(parseSelector(String(value)))
}

const more: Read = (value) =>
  isMapping(value) &&
  Object.entries(value).every(([key, of]) => MORE.has(canonical(key)) && typeof of === 'boolean')
    ? Object.fromEntries(Object.entries(value).map(([key, of]) => [MORE.get(canonical(key)), of]))
    : undefined

const MORE: ReadonlyMap<string, string> = new Map([
  ['disablex509svidprefetch', 'disableX509SvidPrefetch'],
  ['jwtsvidincludejti', 'jwtSvidIncludeJti'],
])

const FIELDS: Readonly<Record<string, Field>> = {
  spiffe_id: { name: 'spiffeId', read: id, allowed: 'a SPIFFE ID' },
  parent_id: { name: 'parentId', read: id, allowed: 'a SPIFFE ID' },
  selectors: { name: 'selectors', read: selectors, allowed: 'a list of selectors, at least one' },
  entry_id: { name: 'id', read: text, allowed: 'a text' },
  id: { name: 'id', read: text, allowed: 'a text' },
  x509_svid_ttl: { name: 'x509SvidTtl', read: seconds, allowed: 'seconds, or a duration' },
  // Its name before SPIRE 1.5.
  ttl: { name: 'x509SvidTtl', read: seconds, allowed: 'seconds, or a duration' },
  jwt_svid_ttl: { name: 'jwtSvidTtl', read: seconds, allowed: 'seconds, or a duration' },
  federates_with: { name: 'federatesWith', read: texts, allowed: 'a list of trust domains' },
  dns_names: { name: 'dnsNames', read: texts, allowed: 'a list of DNS names' },
  admin: { name: 'admin', read: flag, allowed: 'true or false' },
  downstream: { name: 'downstream', read: flag, allowed: 'true or false' },
  store_svid: { name: 'storeSvid', read: flag, allowed: 'true or false' },
  hint: { name: 'hint', read: text, allowed: 'a text' },
  entry_expiry: { name: 'expiresAt', read: instant, allowed: 'seconds since 1970' },
  expires_at: { name: 'expiresAt', read: instant, allowed: 'seconds since 1970' },
  additional_attributes: { name: 'more', read: more, allowed: 'a mapping of true and false' },
  disable_x509_svid_prefetch: { name: 'more', read: flag, allowed: 'true or false' },
  jwt_svid_include_jti: { name: 'more', read: flag, allowed: 'true or false' },
  revision_number: { name: '', read: () => 0, allowed: '' },
  created_at: { name: '', read: () => 0, allowed: '' },
  // Of an agent alone; with a server it is the oldest entry.
  default: { name: '', read: () => 0, allowed: '' },
}

const BY_NAME = new Map(Object.entries(FIELDS).map(([key, field]) => [canonical(key), field]))

/** `spiffe_id`, `spiffeId` and `spiffeID` are one. */
function canonical(key: string): string {
  return key.toLowerCase().replaceAll('_', '')
}

function member(value: unknown, name: string): unknown {
  if (!isMapping(value)) return undefined
  return Object.entries(value).find(([key]) => canonical(key) === name)?.[1]
}

/** `parentId`: of entries that name none. @throws SpindleError `config_invalid` with every fault of the file at once */
export async function readEntryData(io: Io, path: string, parentId?: string): Promise<Entry[]> {
  const { source, file } = await readSource(io, path)
  const list = child(source.value, 'entries')
  if (!Array.isArray(list))
    throw new ConfigError(file, located(source, [{ path: ['entries'], message: NO_LIST }]))
  const parent = parentId === undefined ? undefined : spiffeIdMessage(parseSpiffeId(parentId))
  const faults: PathFault[] = []
  const entries = list.map((value, index) => {
    const read = readEntry(value)
    const found = parent === undefined ? read.fields : { parentId: parent, ...read.fields }
    const missing = ['spiffe_id', 'parent_id', 'selectors'].filter(
      (key) => !read.seen.has(FIELDS[key]!.name) && !Object.hasOwn(found, FIELDS[key]!.name),
    )
    for (const key of missing) faults.push({ path: ['entries', index, key], message: 'is missing' })
    for (const fault of read.faults)
      faults.push({ ...fault, path: ['entries', index, ...fault.path] })
    return create(EntrySchema, found)
  })
  if (faults.length > 0) throw new ConfigError(file, located(source, faults))
  return entries
}

const NO_LIST = 'is missing; allowed: a list of entries'

interface ReadFields {
  readonly fields: Readonly<Record<string, unknown>>
  readonly faults: readonly PathFault[]
  /** Names of fields that are there, in whatever shape. */
  readonly seen: ReadonlySet<string>
}

function readEntry(value: unknown): ReadFields {
  const fields: Record<string, unknown> = {}
  const faults: PathFault[] = []
  const seen = new Set<string>()
  const additional: Record<string, unknown> = {}
  for (const [key, given] of Object.entries(isMapping(value) ? value : {})) {
    const field = BY_NAME.get(canonical(key))
    if (field === undefined) faults.push({ path: [key], message: unknownKey(key) })
    // Go's JSON has null for an empty list.
    if (field === undefined || given === null) continue
    seen.add(field.name)
    const read = attempt(field, given)
    if ('fault' in read) faults.push({ path: [key], message: read.fault })
    else if (field.name === 'more')
      Object.assign(
        additional,
        isMapping(read.value) ? read.value : { [MORE.get(canonical(key))!]: read.value },
      )
    else if (field.name !== '') fields[field.name] = read.value
  }
  if (Object.values(additional).includes(true)) fields['additionalAttributes'] = additional
  return { fields, faults, seen }
}

function attempt({ read, allowed }: Field, given: unknown): { value: unknown } | { fault: string } {
  try {
    const value = read(given)
    return value === undefined ? { fault: `is ${shown(given)}; allowed: ${allowed}` } : { value }
  } catch (thrown) {
    return { fault: messageOf(thrown) }
  }
}

function unknownKey(key: string): string {
  const meant = nearest(key, Object.keys(FIELDS))
  return `is not a key that is known here${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

/** Of `{"ids": [...]}`. @throws SpindleError `config_invalid` */
export async function readIds(io: Io, path: string): Promise<readonly string[]> {
  const { source, file } = await readSource(io, path)
  const ids = texts(member(source.value, 'ids'))
  if (Array.isArray(ids)) return ids as readonly string[]
  const message = 'is missing, or no list of texts; allowed: a list of entry ids'
  throw new ConfigError(file, located(source, [{ path: ['ids'], message }]))
}

async function readSource(io: Io, path: string): Promise<{ source: Source; file: string }> {
  const { text: given, place: file } = await readGiven(io, path)
  const source = /^\uFEFF?\s*[{[]/.test(given) ? readJson(given) : readYaml(given)
  if (source.faults.length > 0) throw new ConfigError(file, source.faults)
  return { source, file }
}
