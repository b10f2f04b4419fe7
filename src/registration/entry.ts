import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { messageOf } from '../runtime/errors.ts'
import { dnsNameFault } from '../spiffe/dns-name.ts'
import {
  isWorkloadId,
  parseSpiffeId,
  parseTrustDomain,
  trustDomainOf,
  type SpiffeId,
  type TrustDomain,
} from '../spiffe/spiffe-id.ts'
import { parseSelector, type Selector } from './selector.ts'
import type { EntryId } from './server-entry.ts'

/** A registration: callers that have all of `selectors` may be `spiffeId`. */
export interface Entry {
  /** Stable while the entry says the same: two entries with equal content in one registry are one entry. */
  readonly id: string
  /** Its id in the registry of the server it is from; undefined: it is from a file. */
  readonly serverId?: EntryId
  readonly spiffeId: SpiffeId
  /** At least one; sorted and unique. */
  readonly selectors: readonly Selector[]
  /** undefined: the agent's `svid.ttl`. */
  readonly x509SvidTtlMs?: number
  /** undefined: the agent's `svid.jwtTtl`. */
  readonly jwtSvidTtlMs?: number
  readonly dnsNames: readonly string[]
  /** Sorted and unique; never the own trust domain. */
  readonly federatesWith: readonly TrustDomain[]
  /** '' for none. */
  readonly hint: string
  readonly default: boolean
}

/** An entry as it was written down, unchecked. */
export interface EntryFields {
  readonly spiffeId: string
  readonly selectors: readonly string[]
  /** At least 10,000. */
  readonly x509SvidTtlMs?: number | undefined
  /** At least 10,000. */
  readonly jwtSvidTtlMs?: number | undefined
  readonly dnsNames?: readonly string[] | undefined
  /** Each a trust domain's name or its ID, `partner.test` or `spiffe://partner.test`. */
  readonly federatesWith?: readonly string[] | undefined
  /** At most 1,024 bytes of UTF-8. */
  readonly hint?: string | undefined
  readonly default?: boolean | undefined
}

/** A fault of one field; `path` is within the entry, such as `selectors[2]`. */
export interface EntryFault {
  readonly path: string
  readonly message: string
}

export type EntryResult =
  | { readonly entry: Entry; readonly faults?: never }
  | { readonly entry?: never; readonly faults: readonly EntryFault[] }

/** An SVID that lives shorter cannot be renewed in time (`svid.ttl` has the same floor). */
const MIN_TTL_MS = 10_000
/** SPIFFE_Workload_API 8 */
const MAX_HINT_BYTES = 1024

type Report = (path: string, message: string) => void

/** Checks every field of an entry for an agent of `trustDomain`, and returns the entry or all that is wrong with it. */
export function createEntry(fields: EntryFields, trustDomain: TrustDomain): EntryResult {
  const faults: EntryFault[] = []
  const report: Report = (path, message) => faults.push({ path, message })
  const ttl = fields.x509SvidTtlMs
  const jwtTtl = fields.jwtSvidTtlMs
  const spiffeId = checkedId(fields.spiffeId, trustDomain, report)
  const content = {
    selectors: checkedSelectors(fields.selectors, report),
    dnsNames: checkedDnsNames(fields.dnsNames ?? [], report),
    federatesWith: checkedFederation(fields.federatesWith ?? [], trustDomain, report),
    hint: checkedHint(fields.hint ?? '', report),
    default: fields.default ?? false,
    ...(ttl !== undefined && { x509SvidTtlMs: checkedTtl('x509SvidTtl', ttl, report) }),
    ...(jwtTtl !== undefined && { jwtSvidTtlMs: checkedTtl('jwtSvidTtl', jwtTtl, report) }),
  }
  if (faults.length > 0 || spiffeId === undefined) return { faults }
  return { entry: { id: contentDigest({ ...content, spiffeId }), spiffeId, ...content } }
}

function checkedId(text: string, trustDomain: TrustDomain, report: Report): SpiffeId | undefined {
  const id = attempt(() => parseSpiffeId(text), 'spiffeId', report)
  if (id === undefined) return undefined
  if (!isWorkloadId(id)) {
    report('spiffeId', `${JSON.stringify(id)} has no path and so names no workload (X509-SVID 3.1)`)
  }
  if (trustDomainOf(id) !== trustDomain) {
    report(
      'spiffeId',
      `${JSON.stringify(id)} is not in the trust domain ${trustDomain} of this agent`,
    )
  }
  return id
}

function checkedSelectors(texts: readonly string[], report: Report): readonly Selector[] {
  if (texts.length === 0) report('selectors', 'must have at least one selector')
  const selectors = texts.flatMap(
    (text, index) => attempt(() => parseSelector(text), `selectors[${index}]`, report) ?? [],
  )
  return Array.from(new Set(selectors)).toSorted()
}

/** In the order given: the first one is the subject's common name where there is one. */
function checkedDnsNames(names: readonly string[], report: Report): readonly string[] {
  const seen = new Set<string>()
  names.forEach((name, index) => {
    const path = `dnsNames[${index}]`
    const fault = dnsNameFault(name)
    if (fault !== undefined) report(path, `${quote(name)} ${fault}`)
    else if (seen.has(name.toLowerCase())) report(path, `${quote(name)} appears twice`)
    seen.add(name.toLowerCase())
  })
  return names.slice()
}

function checkedFederation(
  texts: readonly string[],
  own: TrustDomain,
  report: Report,
): readonly TrustDomain[] {
  const seen = new Set<TrustDomain>()
  texts.forEach((text, index) => {
    const path = `federatesWith[${index}]`
    const name = attempt(() => readTrustDomain(text), path, report)
    if (name === undefined) return
    if (name === own) report(path, `${quote(text)} is the agent's own trust domain`)
    if (seen.has(name)) report(path, `${quote(text)} appears twice`)
    seen.add(name)
  })
  return Array.from(seen).toSorted()
}

/** SPIRE's registrations name a federated trust domain by its ID, config files by its name. */
function readTrustDomain(text: string): TrustDomain {
  return parseTrustDomain(text.startsWith('spiffe://') ? text.slice('spiffe://'.length) : text)
}

function checkedHint(hint: string, report: Report): string {
  if (Buffer.byteLength(hint) > MAX_HINT_BYTES) {
    report('hint', `is longer than ${MAX_HINT_BYTES} bytes (SPIFFE_Workload_API 8)`)
  } else if (/\p{Cc}/u.test(hint) || !hint.isWellFormed()) {
    report('hint', 'has a control character or half a character')
  }
  return hint
}

function checkedTtl(field: string, ttlMs: number, report: Report): number {
  if (!Number.isSafeInteger(ttlMs) || ttlMs < MIN_TTL_MS) {
    report(field, `must be at least ${MIN_TTL_MS / 1000}s, in whole milliseconds`)
  }
  return ttlMs
}

function attempt<T>(parse: () => T, path: string, report: Report): T | undefined {
  try {
    return parse()
  } catch (error) {
    report(path, messageOf(error))
    return undefined
  }
}

/** 32 hex digits. A list with fixed places, so that the order in which fields were written changes nothing. */
function contentDigest(content: Omit<Entry, 'id'>): string {
  const places = [
    content.spiffeId,
    content.selectors,
    content.x509SvidTtlMs ?? null,
    content.dnsNames,
    content.federatesWith,
    content.hint,
    content.default,
    // Last and only where there is one: entries written before it was known keep their ids.
    ...(content.jwtSvidTtlMs === undefined ? [] : [content.jwtSvidTtlMs]),
  ]
  return hash('sha256', JSON.stringify(places), 'hex').slice(0, 32)
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80).toWellFormed()}…` : text)
}
