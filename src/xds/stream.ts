/**
 * One SDS stream as two step functions on plain values: SotW (StreamSecrets) and Delta (DeltaSecrets). The adapter
 * feeds in what happens and carries out what comes back; it arms a timer for each response and reports its end as
 * `ack-deadline`. States are immutable: keep the newest, older ones stay true.
 */
import { hash } from 'node:crypto'
import type { SpindleError } from '../runtime/errors.ts'
import type { DeltaRequest, DeltaResponse, Note, SotwRequest, SotwResponse } from './message.ts'
import type { Resource, View } from './resource.ts'
import {
  answer,
  initialStream,
  isWildcard,
  limitFault,
  mayRespond,
  newName,
  passDeadline,
  requestFault,
  sendable,
  sending,
  type NameState,
  type StreamState,
} from './subscription.ts'

export interface Step<State, Response> {
  readonly state: State
  /** None or one. */
  readonly send: readonly Response[]
  readonly notes: readonly Note[]
  /** Close the stream with this; the state is as it was before the event. */
  readonly end?: SpindleError
}

export type StreamEvent<Request> =
  | { readonly type: 'request'; readonly request: Request }
  /** What the caller may have, or what is quarantined for it, changed. */
  | { readonly type: 'view' }
  /** The time to answer the response of this nonce is over. */
  | { readonly type: 'ack-deadline'; readonly nonce: string }

export interface StreamContext {
  readonly view: View
  /** A fresh one each call, never empty: Envoy answers a response without a nonce as if it were a first request. */
  readonly nonce: () => string
  readonly limits: { readonly namesPerStream: number }
}

/** True where an event was the acknowledgement of all a stream asked for by name, and left nothing to be given: an Envoy's, after each push. */
export function isAcknowledgement({
  state,
  send,
  notes,
  end,
}: Step<StreamState, unknown>): boolean {
  if (send.length > 0 || end !== undefined || state.wildcard) return false
  for (const { accepted } of state.names.values()) if (!accepted) return false
  return notes.some(({ type }) => type === 'ack')
}

export type SotwState = StreamState
export type DeltaState = StreamState

export type SotwStep = Step<SotwState, SotwResponse>
export type DeltaStep = Step<DeltaState, DeltaResponse>

const NOTHING = Object.freeze([])

export function initialSotw(): SotwState {
  return initialStream
}

export function initialDelta(): DeltaState {
  return initialStream
}

export function stepSotw(
  state: SotwState,
  event: StreamEvent<SotwRequest>,
  context: StreamContext,
): SotwStep {
  if (event.type === 'view') return respondSotw(state, NOTHING, context)
  if (event.type === 'ack-deadline') {
    const passed = passDeadline(state, event.nonce)
    return respondSotw(passed.state, passed.notes, context)
  }
  const { request } = event
  const fault = requestFault(request.typeUrl, request.names)
  if (fault !== undefined) return { state, send: NOTHING, notes: NOTHING, end: fault }
  if (isStaleSotw(state, request))
    return { state, send: NOTHING, notes: [{ type: 'stale-nonce', namesIgnored: true }] }
  const answered = answer(state, request, context.view)
  const asked = askByName(answered.state, request.names)
  const excess = limitFault(asked, context.limits.namesPerStream)
  if (excess !== undefined) return { state, send: NOTHING, notes: answered.notes, end: excess }
  return respondSotw(asked, answered.notes, context)
}

/**
 * A SotW request about an older response is overtaken (xDS protocol, "ACK and resource type instance version"): the
 * client will answer the newer one, with its names. The first request of a stream counts whatever its nonce (Envoy
 * has sent the old stream's after a reconnect), but only an unblemished one may ask for everything by saying nothing.
 */
function isStaleSotw(state: StreamState, request: SotwRequest): boolean {
  if (request.responseNonce === '' || request.responseNonce === state.last?.nonce) return false
  return state.started || request.names.every(isWildcard)
}

/** Makes `names` what the stream follows. Names that stay keep what is known of them. */
function askByName(state: StreamState, names: readonly string[]): StreamState {
  const wanted = new Set(names.filter((name) => !isWildcard(name)))
  const everything = names.includes('*') || (wanted.size === 0 && !state.named)
  const named = state.named || wanted.size > 0 || names.includes('*')
  if (state.started && state.wildcard === everything && state.named === named) {
    const explicit = [...state.names].filter(([, known]) => known.explicit)
    // An ACK repeats the names: nothing to do then.
    if (explicit.length === wanted.size && explicit.every(([name]) => wanted.has(name)))
      return state
  }
  const next = new Map<string, NameState>()
  for (const [name, known] of state.names) {
    if (wanted.has(name)) next.set(name, { ...known, explicit: true })
    else if (everything) next.set(name, { ...known, explicit: false })
  }
  for (const name of wanted) if (!next.has(name)) next.set(name, newName)
  return { ...state, started: true, wildcard: everything, named, names: next }
}

/** Sends the whole set the stream's names have as soon as one of them is new to the client; else nothing. */
function respondSotw(state: StreamState, notes: readonly Note[], context: StreamContext): SotwStep {
  const { view } = context
  if (!mayRespond(state)) return { state, send: NOTHING, notes }
  let news = false
  for (const name of followedSotw(state, view)) {
    const offered = offer(state, name, view)
    news = offered !== undefined && state.names.get(name)?.sent !== offered.version
    if (news) break
  }
  if (!news) return { state, send: NOTHING, notes }
  const names = [...followedSotw(state, view)]
  const resources = names.flatMap((name) => offer(state, name, view) ?? [])
  const nonce = context.nonce()
  const response: SotwResponse = { nonce, version: versionOfSet(resources), resources }
  return { state: sending(forgetVanished(state, view), nonce, resources), send: [response], notes }
}

/** What may be sent under a name just now. */
function offer(state: StreamState, name: string, view: View): Resource | undefined {
  const resolution = view.resolve(name)
  if (resolution.state !== 'present') return undefined
  return sendable(state, resolution.resource.version, view) ? resolution.resource : undefined
}

/** Names asked for, and with a wildcard those the caller has just now. */
function* followedSotw(state: StreamState, view: View): Generator<string> {
  for (const [name, known] of state.names) if (known.explicit) yield name
  if (!state.wildcard) return
  for (const name of view.all) if (state.names.get(name)?.explicit !== true) yield name
}

/** A client that follows everything holds what the last response held: names the caller has lost are forgotten. */
function forgetVanished(state: StreamState, view: View): StreamState {
  if (!state.wildcard) return state
  const all = new Set(view.all)
  const names = [...state.names].filter(([name, known]) => known.explicit || all.has(name))
  return { ...state, names: new Map(names) }
}

/** Digest of a set of resources, whatever their order. Envoy asks one name a stream, where it is the secret's own version. */
export function versionOfSet(resources: readonly Resource[]): string {
  const [first] = resources
  if (first !== undefined && resources.length === 1) return first.version
  const pairs = resources.map(({ name, version }) => JSON.stringify([name, version]))
  return hash('sha256', pairs.toSorted().join('\n'))
}

export function stepDelta(
  state: DeltaState,
  event: StreamEvent<DeltaRequest>,
  context: StreamContext,
): DeltaStep {
  if (event.type === 'view') return respondDelta(state, NOTHING, context)
  if (event.type === 'ack-deadline') {
    const passed = passDeadline(state, event.nonce)
    return respondDelta(passed.state, passed.notes, context)
  }
  const { request } = event
  const fault = requestFault(request.typeUrl, request.subscribe)
  if (fault !== undefined) return { state, send: NOTHING, notes: NOTHING, end: fault }
  const answered = answer(state, request, context.view)
  const asked = changeSubscriptions(answered.state, request)
  const excess = limitFault(asked, context.limits.namesPerStream)
  if (excess !== undefined) return { state, send: NOTHING, notes: answered.notes, end: excess }
  return respondDelta(asked, answered.notes, context)
}

/**
 * Delta subscriptions are changes, so they count whatever the nonce of the message. A name asked for again is sent
 * again (xDS protocol, "Subscribing to resources"). Names given up go first: one in both lists is asked for anew.
 */
function changeSubscriptions(state: StreamState, request: DeltaRequest): StreamState {
  const { subscribe, unsubscribe, responseNonce } = request
  // A stray answer of an old stream is not a first request that asks for everything by saying nothing.
  const says = subscribe.length > 0 || unsubscribe.length > 0
  if (!says && (state.started || responseNonce !== '')) return state
  const names = new Map(state.names)
  let wildcard = state.wildcard || !says
  for (const name of unsubscribe) {
    if (isWildcard(name)) wildcard = false
    else if (names.get(name)?.explicit === true) names.delete(name)
  }
  for (const name of subscribe) {
    if (isWildcard(name)) wildcard = true
    else names.set(name, { ...newName, acked: names.get(name)?.acked })
  }
  if (!wildcard) for (const [name, known] of names) if (!known.explicit) names.delete(name)
  return { ...state, started: true, wildcard, names }
}

/** Sends the removals that are owed, all at once; else the one secret that has waited longest; else nothing. */
function respondDelta(
  state: StreamState,
  notes: readonly Note[],
  context: StreamContext,
): DeltaStep {
  const { view } = context
  if (!mayRespond(state)) return { state, send: NOTHING, notes }
  const removed: string[] = []
  let next: Resource | undefined
  for (const name of followedDelta(state, view)) {
    const known = state.names.get(name)
    const resolution = view.resolve(name)
    // Of a name that the client neither asked for nor was sent there is nothing to remove.
    if (resolution.state === 'absent' && known !== undefined && !known.removed) removed.push(name)
    if (resolution.state !== 'present' || next !== undefined) continue
    const { resource } = resolution
    if (known?.sent !== resource.version && sendable(state, resource.version, view)) next = resource
  }
  if (removed.length > 0) {
    const nonce = context.nonce()
    const response: DeltaResponse = { nonce, systemVersion: '', resources: [], removed }
    return { state: removing(state, nonce, removed), send: [response], notes }
  }
  if (next === undefined) return { state, send: NOTHING, notes }
  const nonce = context.nonce()
  const response: DeltaResponse = {
    nonce,
    systemVersion: next.version,
    resources: [next],
    removed: NOTHING,
  }
  return { state: sending(state, nonce, [next]), send: [response], notes }
}

/** Names asked for or sent, and with a wildcard all the caller has: a name it had and lost is still to be removed. */
function* followedDelta(state: StreamState, view: View): Generator<string> {
  yield* state.names.keys()
  if (!state.wildcard) return
  for (const name of view.all) if (!state.names.has(name)) yield name
}

function removing(state: StreamState, nonce: string, removed: readonly string[]): StreamState {
  const names = new Map(state.names)
  for (const name of removed) {
    const known = names.get(name)
    if (known?.explicit === true) names.set(name, { ...newName, acked: known.acked, removed: true })
    else names.delete(name)
  }
  return { ...state, names, last: { nonce, resources: NOTHING, removed, answer: 'awaited' } }
}
