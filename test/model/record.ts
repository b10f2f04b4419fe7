/** What happened on one stream, and the questions both models ask of it: each reads the record from its beginning. */

export interface Versioned {
  readonly name: string
  readonly version: string
}

/** The view at one moment: a name that is missing is absent; `undefined` is pending. */
export interface Snapshot {
  readonly versions: ReadonlyMap<string, string | undefined>
  readonly quarantined: ReadonlySet<string>
}

export interface Asked {
  /** SotW: the whole list. Delta: what is subscribed. */
  readonly names: readonly string[]
  /** Delta only. */
  readonly dropped: readonly string[]
  readonly nonce: string
  readonly isError: boolean
}

export interface Answer {
  readonly nonce: string
  readonly resources: readonly Versioned[]
  readonly removed: readonly string[]
}

/** One event on the stream, with what was true then and what came of it. */
export interface Moment {
  readonly asked?: Asked | undefined
  readonly passed?: string | undefined
  readonly now: Snapshot
  readonly sent?: Answer | undefined
}

/** The nonce a request would have to carry to be about the newest response, before moment `at`. */
export function newestBefore(moments: readonly Moment[], at: number): Answer | undefined {
  return moments.slice(0, at).findLast((moment) => moment.sent !== undefined)?.sent
}

/** The first request that answers the response sent at `at`, while that is the newest; -1 for none. */
export function answeredAt(moments: readonly Moment[], at: number): number {
  const nonce = moments[at]?.sent?.nonce
  const found = moments.findIndex((moment, i) => i > at && moment.asked?.nonce === nonce)
  const next = moments.findIndex((moment, i) => i > at && moment.sent !== undefined)
  // The answer may itself be what brings the next response out.
  return found !== -1 && (next === -1 || found <= next) ? found : -1
}

/** True where a response is in flight at the last moment, whose own output is not looked at. */
export function isInFlight(moments: readonly Moment[]): boolean {
  const before = moments.slice(0, -1)
  const at = before.findLastIndex((moment) => moment.sent !== undefined)
  const nonce = before[at]?.sent?.nonce
  if (nonce === undefined) return false
  return !moments
    .slice(at + 1)
    .some((moment) => moment.asked?.nonce === nonce || moment.passed === nonce)
}

/** Versions this client has rejected on the stream up to and including moment `until`. */
export function rejectedUntil(
  moments: readonly Moment[],
  until: number,
  remembers: (key: string, from: number, to: number) => boolean,
): ReadonlySet<string> {
  const rejected = new Set<string>()
  for (const [at, { sent }] of moments.entries()) {
    const answered = answeredAt(moments, at)
    if (sent === undefined || answered === -1 || answered > until) continue
    if (moments[answered]?.asked?.isError !== true) continue
    for (const resource of sent.resources)
      if (!isRepetition(moments, { at, resource, rejected }, remembers))
        rejected.add(resource.version)
  }
  return rejected
}

/** True where the response at `at` says again under a name what it said last, and that was acknowledged. */
function isRepetition(
  moments: readonly Moment[],
  what: { at: number; resource: Versioned; rejected: ReadonlySet<string> },
  remembers: (key: string, from: number, to: number) => boolean,
): boolean {
  const { name: key, version } = what.resource
  for (let i = what.at - 1; i >= 0; i--) {
    const before = moments[i]?.sent?.resources.find((resource) => resource.name === key)
    if (before === undefined) continue
    if (before.version !== version || !remembers(key, i, what.at)) return false
    const answered = moments[answeredAt(moments, i)]
    if (answered?.asked?.isError !== false) continue
    if (!answered.now.quarantined.has(version)) return true
  }
  return false
}

/** The version sent last under a name before the last moment, and not forgotten since. */
export function lastSent(
  moments: readonly Moment[],
  key: string,
  remembers: (key: string, from: number, to: number) => boolean,
): string | undefined {
  const end = moments.length - 1
  for (let i = end - 1; i >= 0; i--) {
    const found = moments[i]?.sent?.resources.find((resource) => resource.name === key)
    if (found !== undefined) return remembers(key, i, end) ? found.version : undefined
  }
  return undefined
}
