/**
 * What is read of the fields of `spire.api.types.Entry`, by whoever reads one: an agent what a server sends, a server what operators
 * send. By SPIRE's rules and in its words; what a server asks beyond them is in server/serve/entry.
 */
import { Buffer } from 'node:buffer'
import type { Entry } from '../../gen/spire/api/types/entry_pb.js'
import type { Selector as SelectorMessage } from '../../gen/spire/api/types/selector_pb.js'
import { parseSelector } from '../../registration/selector.ts'
import type { Selector } from '../../registration/selector.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { dnsNameFault } from '../../spiffe/dns-name.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import { naming, readTrustDomain } from './spiffe-id.ts'

/** Ours: a server takes no more in than its agents do. */
const MAX_SELECTORS = 1_000
/** Of trust domains, and of DNS names. */
const MAX_NAMES = 1_000
/** SPIRE's. */
const MOST_HINT_BYTES = 1_024
/** The last instant that a Date has. */
const LATEST_SECOND = 8_640_000_000_000n

/** At least one; sorted, each once. @throws SpindleError `request_invalid`, `selector_invalid` */
export function readSelectors(messages: Entry['selectors']): readonly Selector[] {
  if (messages.length === 0) throw invalid('selector list is empty')
  return sortedOnce(atMost(messages, MAX_SELECTORS, 'selectors').map(readSelector))
}

/** @throws SpindleError `request_invalid`, `selector_invalid` */
export function readSelector({ type, value }: Pick<SelectorMessage, 'type' | 'value'>): Selector {
  if (type === '') throw invalid('missing selector type')
  if (type.includes(':')) throw invalid("selector type contains ':'")
  if (value === '') throw invalid('missing selector value')
  return parseSelector(`${type}:${value}`)
}

/** Sorted, each once. @throws SpindleError `request_invalid`, `spiffe_id_invalid` */
export function readFederatesWith(names: readonly string[]): readonly TrustDomain[] {
  return sortedOnce(
    atMost(names, MAX_NAMES, 'federates_with').map((name) =>
      naming('invalid federated trust domain', () => readTrustDomain(name)),
    ),
  )
}

/** In the order given, each once: the first one is the common name. @throws SpindleError `request_invalid` */
export function readDnsNames(names: readonly string[]): readonly string[] {
  for (const name of atMost(names, MAX_NAMES, 'dns_names')) {
    const fault = dnsNameFault(name)
    if (fault !== undefined)
      throw invalid(
        `invalid DNS name: ${JSON.stringify(name.slice(0, 253).toWellFormed())} ${fault}`,
      )
  }
  return names.length < 2 ? names : Array.from(new Set(names))
}

/** In ms; undefined for 0, which leaves it to the server. @throws SpindleError `request_invalid` */
export function readTtl(field: string, seconds: number): number | undefined {
  if (seconds < 0) throw invalid(`${field} is below 0`)
  return seconds === 0 ? undefined : seconds * 1_000
}

/** In ms; undefined for 0, which is never. @throws SpindleError `request_invalid` */
export function readExpiry(seconds: bigint): number | undefined {
  return seconds === 0n ? undefined : readInstant('expires_at', seconds)
}

/** In ms. @throws SpindleError `request_invalid` */
export function readInstant(field: string, seconds: bigint): number {
  if (seconds < 0n) throw invalid(`${field} is below 0`)
  if (seconds > LATEST_SECOND) throw invalid(`${field} is after the last instant there is`)
  return Number(seconds) * 1_000
}

/** @throws SpindleError `request_invalid` */
export function readHint(hint: string): string {
  if (Buffer.byteLength(hint) > MOST_HINT_BYTES)
    throw invalid(`hint is too long, max length is ${MOST_HINT_BYTES} characters`)
  return hint
}

function atMost<T>(items: readonly T[], most: number, field: string): readonly T[] {
  if (items.length > most) throw invalid(`${field} are more than ${most}`)
  return items
}

function sortedOnce<T extends string>(items: T[]): readonly T[] {
  return items.sort().filter((item, at) => item !== items[at - 1])
}

function invalid(fault: string): SpindleError {
  return new SpindleError('request_invalid', fault)
}
