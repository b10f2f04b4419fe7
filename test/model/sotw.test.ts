// R12 and R13 of docs/faults.md.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { SotwRequest, SotwResponse } from '../../src/xds/message.ts'
import { SECRET_TYPE_URL } from '../../src/xds/resource.ts'
import { initialSotw, stepSotw, type SotwState } from '../../src/xds/stream.ts'
import { RUNS, Run, histories, type Dialect, type Tally } from './history.ts'
import {
  isInFlight,
  lastSent,
  newestBefore,
  rejectedUntil,
  type Moment,
  type Snapshot,
} from './record.ts'

/** What the client follows after moment `at`, by the xDS protocol's words alone. */
function followed(moments: readonly Moment[], at: number) {
  let list: readonly string[] | undefined
  let hasNamed = false
  for (const [i, { asked }] of moments.slice(0, at + 1).entries()) {
    if (asked === undefined) continue
    const { names, nonce } = asked
    const isCurrent = nonce === '' || nonce === newestBefore(moments, i)?.nonce
    const isFirst = list === undefined && names.some((name) => name !== '' && name !== '*')
    if (!isCurrent && !isFirst) continue
    list = names
    hasNamed ||= names.some((name) => name !== '')
  }
  const explicit = new Set(list?.filter((name) => name !== '' && name !== '*'))
  const wildcard = list !== undefined && (list.includes('*') || !hasNamed)
  return { explicit, wildcard }
}

/** True where nothing between two moments made the stream forget what it sent under a name. */
function remembersIn(moments: readonly Moment[]) {
  return (name: string, from: number, to: number): boolean => {
    for (let i = from; i <= to; i++) {
      const { explicit, wildcard } = followed(moments, i)
      if (explicit.has(name)) continue
      if (!wildcard) return false
      // Who follows everything holds what the last response held.
      const moment = moments[i]
      if (i < to && moment?.sent !== undefined && !moment.now.versions.has(name)) return false
    }
    return true
  }
}

function servable(moments: readonly Moment[]): ReadonlyMap<string, string> {
  const at = moments.length - 1
  const { versions, quarantined } = moments[at]!.now
  const { explicit, wildcard } = followed(moments, at)
  const rejected = rejectedUntil(moments, at, remembersIn(moments))
  const set = new Map<string, string>()
  for (const [name, version] of versions) {
    if (version === undefined || !(wildcard || explicit.has(name))) continue
    if (!rejected.has(version) && !quarantined.has(version)) set.set(name, version)
  }
  return set
}

/** All the client may have, as soon as any of it is new to it and nothing is in flight; else nothing. */
function check(moments: readonly Moment[]): void {
  const { sent } = moments.at(-1)!
  const set = servable(moments)
  const remembers = remembersIn(moments)
  const isNews = [...set].some(([name, version]) => lastSent(moments, name, remembers) !== version)
  if (isInFlight(moments) || !isNews) return assert.equal(sent, undefined, 'nothing is to be sent')
  assert.ok(sent !== undefined, 'a response is due')
  const got = sent.resources.map(({ name, version }) => [name, version] as const)
  assert.deepEqual(new Map(got), set)
  assert.equal(got.length, set.size, 'each name once')
}

const dialect: Dialect<SotwState, SotwRequest, SotwResponse> = {
  initial: initialSotw,
  step: stepSotw,
  isWhole: true,
  request: ({ names, nonce, isError }, holds, text) => ({
    names,
    versionInfo: [...holds.values()].at(-1) ?? '',
    responseNonce: nonce,
    typeUrl: SECRET_TYPE_URL,
    error: isError ? { code: 13, message: text } : undefined,
  }),
  read: ({ nonce, resources }) => ({ nonce, resources, removed: [] }),
  check,
  wanted: (moments: readonly Moment[], now: Snapshot) => {
    const { explicit, wildcard } = followed(moments, moments.length - 1)
    return wildcard ? now.versions.keys() : explicit
  },
}

test('stepSotw sends exactly what a model says that reads the whole history anew each time', () => {
  const tally: Tally = new Map()
  fc.assert(
    fc.property(histories, (history) => {
      const run = new Run(dialect, tally)
      run.play(history)
      run.settle()
      const { versions, quarantined } = run.now
      for (const name of dialect.wanted(run.moments, run.now)) {
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
  assert.ok((tally.get('response sent') ?? 0) > RUNS)
})
