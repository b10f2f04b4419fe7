// R12 and R13 of docs/faults.md.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { DeltaRequest, DeltaResponse } from '../../src/xds/message.ts'
import { SECRET_TYPE_URL } from '../../src/xds/resource.ts'
import { initialDelta, stepDelta, type DeltaState } from '../../src/xds/stream.ts'
import { RUNS, Run, histories, type Dialect, type Tally } from './history.ts'
import {
  isInFlight,
  lastSent,
  rejectedUntil,
  type Asked,
  type Moment,
  type Snapshot,
} from './record.ts'

const isAll = (name: string): boolean => name === '' || name === '*'

/** What the client follows after moment `at`, by the xDS protocol's words alone. */
function followed(moments: readonly Moment[], at: number) {
  const explicit = new Set<string>()
  let wildcard = false
  let hasBegun = false
  for (const { asked } of moments.slice(0, at + 1)) {
    if (asked === undefined) continue
    const { names, dropped, nonce } = asked
    const says = names.length + dropped.length > 0
    if (!hasBegun && !says && nonce === '') wildcard = true
    if (says || nonce === '') hasBegun = true
    if (dropped.some(isAll)) wildcard = false
    for (const name of dropped) explicit.delete(name)
    if (names.some(isAll)) wildcard = true
    for (const name of names) if (!isAll(name)) explicit.add(name)
  }
  return { explicit, wildcard }
}

/** True where nothing between two moments made the stream forget what it sent under a name. */
function remembersIn(moments: readonly Moment[]) {
  return (name: string, from: number, to: number): boolean => {
    for (let i = from + 1; i <= to; i++) {
      const moment = moments[i]
      const before = followed(moments, i - 1)
      const after = followed(moments, i)
      if (moment?.asked?.names.includes(name)) return false
      if (before.explicit.has(name) && moment?.asked?.dropped.includes(name)) return false
      // In the middle of one message everything was given up and asked for again: that too is to forget.
      if (!after.explicit.has(name) && !after.wildcard) return false
      if (i < to && moment?.sent?.removed.includes(name)) return false
    }
    return true
  }
}

/** The latest moment before the last at which the name was removed, while that still stands; -1 for none. */
function toldRemoved(moments: readonly Moment[], name: string): boolean {
  const end = moments.length - 1
  const at = moments.findLastIndex((m, i) => i < end && m.sent?.removed.includes(name) === true)
  if (at === -1) return false
  const since = moments.slice(at + 1)
  const speaks = (asked: Asked | undefined): boolean =>
    asked !== undefined && (asked.names.includes(name) || asked.dropped.includes(name))
  const sends = (moment: Moment, i: number): boolean =>
    i < since.length - 1 && moment.sent?.resources.some((sent) => sent.name === name) === true
  return !since.some((moment, i) => speaks(moment.asked) || sends(moment, i))
}

function check(moments: readonly Moment[]): void {
  const at = moments.length - 1
  const { sent, now } = moments[at]!
  if (isInFlight(moments)) return assert.equal(sent, undefined, 'one response in flight')
  const remembers = remembersIn(moments)
  const rejected = rejectedUntil(moments, at, remembers)
  const { explicit, wildcard } = followed(moments, at)
  const names = new Set([...explicit, 'a', 'b', 'c', 'd'])
  const owed = new Set<string>()
  const due = new Map<string, string>()
  for (const name of names) {
    const before = lastSent(moments, name, remembers)
    if (!now.versions.has(name)) {
      const isKnown = explicit.has(name) || before !== undefined
      if (isKnown && !toldRemoved(moments, name)) owed.add(name)
      continue
    }
    const version = now.versions.get(name)
    if (version === undefined || !(wildcard || explicit.has(name))) continue
    if (before === version || rejected.has(version) || now.quarantined.has(version)) continue
    due.set(name, version)
  }
  if (owed.size > 0) {
    assert.deepEqual(new Set(sent?.removed), owed, 'what is gone is removed, once')
    return assert.equal(sent?.resources.length, 0)
  }
  if (due.size === 0) return assert.equal(sent, undefined, 'nothing is to be sent')
  assert.equal(sent?.resources.length, 1, 'one secret is due')
  const [resource] = sent.resources
  assert.equal(resource?.version, due.get(resource?.name ?? ''), 'of those that are due')
}

const dialect: Dialect<DeltaState, DeltaRequest, DeltaResponse> = {
  initial: initialDelta,
  step: stepDelta,
  isWhole: false,
  request: ({ names, dropped, nonce, isError }, holds, text) => ({
    subscribe: names,
    unsubscribe: dropped,
    initialResourceVersions: Object.fromEntries(holds),
    responseNonce: nonce,
    typeUrl: SECRET_TYPE_URL,
    error: isError ? { code: 13, message: text } : undefined,
  }),
  read: ({ nonce, resources, removed }) => ({ nonce, resources, removed }),
  check,
  wanted: (moments: readonly Moment[], now: Snapshot) => {
    const { explicit, wildcard } = followed(moments, moments.length - 1)
    return wildcard ? new Set([...explicit, ...now.versions.keys()]) : explicit
  },
}

test('stepDelta sends exactly what a model says that reads the whole history anew each time', () => {
  const tally: Tally = new Map()
  fc.assert(
    fc.property(histories, (history) => {
      const run = new Run(dialect, tally)
      run.play(history)
      run.settle()
      const { versions, quarantined } = run.now
      for (const name of dialect.wanted(run.moments, run.now)) {
        if (!versions.has(name)) {
          assert.equal(run.holds.has(name), false, `in the end the client has given up ${name}`)
          continue
        }
        const version = versions.get(name)
        if (version === undefined || quarantined.has(version)) continue
        if (run.rejectedByClient.has(version)) continue
        assert.equal(run.holds.get(name), version, `in the end the client holds ${name}`)
      }
    }),
    { numRuns: RUNS },
  )
  for (const what of ['ack', 'nack', 'ack-of-rejected', 'unanswered', 'stale-nonce'])
    assert.ok((tally.get(`note ${what}`) ?? 0) > RUNS / 100, `histories with ${what} were seen`)
  for (const what of ['response sent', 'removal sent'])
    assert.ok((tally.get(what) ?? 0) > RUNS / 2, `histories with a ${what} were seen`)
})
