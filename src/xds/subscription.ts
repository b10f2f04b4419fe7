/**
 * What SotW and Delta have in common: what one stream follows, what was sent to it under each name, and the one
 * response that may be in flight. All values are immutable; a function returns the same value when nothing changes,
 * so a stream that an event does not concern costs no allocation of its own.
 */
import { SpindleError } from '../runtime/errors.ts'
import type { ErrorDetail, Note, SentResource } from './message.ts'
import { classifyNack } from './nack.ts'
import { SECRET_TYPE_URL, type Resource, type View } from './resource.ts'

/** What a stream remembers of a name. Versions only: the bytes belong to the view. */
export interface NameState {
  /** Asked for by name; false where it is followed because the client asked for everything. */
  readonly explicit: boolean
  /** Version last sent, since the name was last (re)subscribed or removed. */
  readonly sent: string | undefined
  /** `sent` was acknowledged. */
  readonly accepted: boolean
  /** Version last acknowledged: what the client works with, even after a removal (Envoy keeps it). */
  readonly acked: string | undefined
  /** Delta: the client was told that the name does not exist, and nothing was sent since. */
  readonly removed: boolean
}

/** The last response of a stream. awaited: in flight · overdue: its deadline passed · given: answered. */
export interface Sending {
  readonly nonce: string
  readonly resources: readonly SentResource[]
  readonly removed: readonly string[]
  readonly answer: 'awaited' | 'overdue' | 'given'
}

export interface StreamState {
  /** A request that counts has been read. */
  readonly started: boolean
  /** Follows all the caller has. */
  readonly wildcard: boolean
  /** SotW: has asked by name, so that an empty list now is an unsubscription. */
  readonly named: boolean
  /** The least recently sent first, so that a name that keeps changing cannot starve the others. */
  readonly names: ReadonlyMap<string, NameState>
  readonly last: Sending | undefined
  /** Versions rejected on this stream that the view does not know as quarantined yet. */
  readonly rejected: ReadonlySet<string>
}

export const initialStream: StreamState = Object.freeze({
  started: false,
  wildcard: false,
  named: false,
  names: new Map<string, NameState>(),
  last: undefined,
  rejected: new Set<string>(),
})

/** SPIFFE-ID 2.3: no SPIFFE ID is longer, so no name needs to be. */
const LONGEST_NAME = 2048

const NO_NOTES: readonly Note[] = Object.freeze([])

export interface Noted {
  readonly state: StreamState
  readonly notes: readonly Note[]
}

export const newName: NameState = Object.freeze({
  explicit: true,
  sent: undefined,
  accepted: false,
  acked: undefined,
  removed: false,
})

/** '' is how SPIRE's clients write "everything" in a list, '*' how the xDS protocol does. */
export function isWildcard(name: string): boolean {
  return name === '' || name === '*'
}

/** Faults for which a stream is closed. Short plain ASCII: Envoy logs the status text percent-encoded. */
export function requestFault(typeUrl: string, names: readonly string[]): SpindleError | undefined {
  // An empty type URL is allowed: the method already says which resource is meant.
  if (typeUrl !== '' && typeUrl !== SECRET_TYPE_URL)
    return new SpindleError('request_invalid', 'type_url: only v3 Secret resources are served here')
  if (names.some((name) => name.length > LONGEST_NAME))
    return new SpindleError(
      'request_invalid',
      `resource name longer than ${LONGEST_NAME} characters`,
    )
  return undefined
}

export function limitFault(state: StreamState, namesPerStream: number): SpindleError | undefined {
  // Names followed by a wildcard are the caller's own and not of its choosing.
  if (state.names.size <= namesPerStream) return undefined
  const explicit = [...state.names.values()].filter((name) => name.explicit).length
  if (explicit <= namesPerStream) return undefined
  return new SpindleError('limit_reached', `more than ${namesPerStream} names on one stream`)
}

/** True where a response may be sent: none is in flight, or the one that is has passed its deadline. */
export function mayRespond(state: StreamState): boolean {
  return state.last === undefined || state.last.answer !== 'awaited'
}

/** True for content that this client has not rejected, here or on another stream. */
export function sendable(state: StreamState, version: string, view: View): boolean {
  return !state.rejected.has(version) && !view.quarantined(version)
}

/**
 * Reads the answer in a request: the nonce names the response it is about. Only the first answer to the newest
 * response counts; everything else is noted and changes nothing.
 */
export function answer(
  state: StreamState,
  request: { readonly responseNonce: string; readonly error?: ErrorDetail | undefined },
  view: View,
): Noted {
  const { responseNonce, error } = request
  const isAbout = responseNonce !== '' && state.last?.nonce === responseNonce
  if (state.last === undefined || !isAbout || state.last.answer === 'given') {
    const harmless = error === undefined && (responseNonce === '' || isAbout)
    return { state, notes: harmless ? NO_NOTES : [{ type: 'stale-nonce', namesIgnored: false }] }
  }
  return error === undefined
    ? acknowledge(state, state.last, view)
    : reject(state, { last: state.last, error }, view)
}

function acknowledge(state: StreamState, last: Sending, view: View): Noted {
  const { nonce } = last
  const believed = last.resources.filter(({ version }) => sendable(state, version, view))
  const names = new Map(state.names)
  for (const { name, version } of believed) {
    const known = names.get(name)
    // Otherwise the name was given up, or asked for again, after this was sent.
    if (known?.sent === version) names.set(name, { ...known, accepted: true, acked: version })
  }
  const notes: Note[] = []
  if (believed.length > 0 || last.resources.length === 0)
    notes.push({ type: 'ack', nonce, resources: believed })
  if (believed.length < last.resources.length) {
    const resources = last.resources.filter((sent) => !believed.includes(sent))
    notes.push({ type: 'ack-of-rejected', nonce, resources })
  }
  return { state: { ...state, names, last: { ...last, answer: 'given' } }, notes }
}

function reject(
  state: StreamState,
  answered: { readonly last: Sending; readonly error: ErrorDetail },
  view: View,
): Noted {
  const { last, error } = answered
  // A SotW response repeats what the client has accepted before: that is not what it rejects now.
  const rejected = last.resources.filter((sent) => sent.fresh)
  const kinds = new Set(rejected.map((sent) => sent.kind))
  const [kind] = kinds.size === 1 ? kinds : []
  const meaning = classifyNack(error.message, kind)
  const versions = rejected.map((sent) => sent.version)
  // What the view knows by now need not be remembered here: this set stays small on a long stream.
  const still = [...state.rejected].filter((version) => !view.quarantined(version))
  return {
    state: {
      ...state,
      rejected: new Set([...still, ...versions]),
      last: { ...last, answer: 'given' },
    },
    notes: [
      {
        type: 'nack',
        nonce: last.nonce,
        class: meaning,
        rejected,
        quarantine: meaning === 'type_mismatch' ? [] : versions,
      },
    ],
  }
}

/** The deadline of `nonce` passed: the next response no longer waits for its answer, which still counts if it comes first. */
export function passDeadline(state: StreamState, nonce: string): Noted {
  const { last } = state
  if (last === undefined || last.nonce !== nonce || last.answer !== 'awaited')
    return { state, notes: NO_NOTES }
  const names = [...last.resources.map((sent) => sent.name), ...last.removed]
  return {
    state: { ...state, last: { ...last, answer: 'overdue' } },
    notes: [{ type: 'unanswered', nonce, names }],
  }
}

/** The state after `resources` go out under `nonce`. */
export function sending(
  state: StreamState,
  nonce: string,
  resources: readonly Resource[],
): StreamState {
  const names = new Map(state.names)
  const sent = resources.map(({ name, version, kind }): SentResource => {
    const known = names.get(name) ?? { ...newName, explicit: false }
    const repeats = known.sent === version && known.accepted
    names.delete(name)
    names.set(name, { ...known, sent: version, accepted: repeats, removed: false })
    return { name, version, kind, fresh: !repeats }
  })
  return { ...state, names, last: { nonce, resources: sent, removed: [], answer: 'awaited' } }
}
