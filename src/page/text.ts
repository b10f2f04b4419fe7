/** What is said of times, counts and states; nothing of the browser's is needed here. */
import type { TimelineKind } from '../telemetry/timeline.ts'
import type { Tone } from './dom.ts'

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

/** `2h 5m`, `45s`: two units at most, of which the smaller is left out where it is nought. */
export function span(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / 1_000)) * 1_000
  const at = UNITS.findIndex(([, size]) => whole >= size)
  const first = UNITS[at]
  if (first === undefined) return '0s'
  const second = UNITS[at + 1]
  const rest = second === undefined ? 0 : Math.floor((whole % first[1]) / second[1])
  const head = `${Math.floor(whole / first[1])}${first[0]}`
  return rest === 0 ? head : `${head} ${rest}${second?.[0]}`
}

export function untilText(until: number, now: number): string {
  return until > now ? `in ${span(until - now)}` : `${span(now - until)} ago`
}

/** A quarter of its life: what is renewed around half of it should never come to this. */
const LATE = 1 / 4

/** Whether something that began at `from` and ends at `until` should have been replaced by now. */
export function isLate(from: number | undefined, until: number, now: number): boolean {
  return now >= until || (from !== undefined && until - now < (until - from) * LATE)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

/** Enough of a digest to tell two apart. */
export function short(digest: string): string {
  return digest.slice(0, 8)
}

/** Whether every word of `filter` is somewhere in `text`. */
export function fits(filter: string, text: string): boolean {
  const within = text.toLowerCase()
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => within.includes(word))
}

interface Look {
  readonly tone: Tone
  readonly sign: string
  readonly word: string
}

const STATES: Readonly<Record<string, Look>> = {
  acknowledged: { tone: 'good', sign: '✓', word: 'acknowledged' },
  sent: { tone: 'busy', sign: '→', word: 'sent' },
  pending: { tone: 'busy', sign: '…', word: 'pending' },
  waiting: { tone: 'quiet', sign: '○', word: 'waiting' },
  rejected: { tone: 'bad', sign: '✕', word: 'rejected' },
  unanswered: { tone: 'warn', sign: '?', word: 'unanswered' },
  revoked: { tone: 'warn', sign: '!', word: 'revoked' },
  active: { tone: 'good', sign: '✓', word: 'active' },
  prepared: { tone: 'busy', sign: '…', word: 'prepared' },
  old: { tone: 'quiet', sign: '○', word: 'old' },
  tainted: { tone: 'warn', sign: '!', word: 'tainted' },
}

/** Of a secret or a CA slot. */
export function lookOfState(state: string): Look {
  return STATES[state] ?? { tone: 'quiet', sign: '○', word: state }
}

const USES: Readonly<Record<string, Look>> = {
  // Nobody acknowledges here: what has left is all that is known.
  sent: { tone: 'good', sign: '✓', word: 'sent' },
  answered: { tone: 'good', sign: '✓', word: 'answered' },
  behind: { tone: 'warn', sign: '?', word: 'not read yet' },
  refused: { tone: 'bad', sign: '✕', word: 'refused' },
  closed: { tone: 'quiet', sign: '○', word: 'left' },
}

/** Of a method of the Workload API. */
export function lookOfUse(state: string): Look {
  return USES[state] ?? lookOfState(state)
}

const KINDS: Readonly<Record<TimelineKind, Look & { readonly lane: Lane }>> = {
  issued: { tone: 'good', sign: '✦', word: 'issued', lane: 'issued' },
  pushed: { tone: 'busy', sign: '→', word: 'pushed', lane: 'pushed' },
  acknowledged: { tone: 'good', sign: '✓', word: 'acknowledged', lane: 'acknowledged' },
  rejected: { tone: 'bad', sign: '✕', word: 'rejected', lane: 'trouble' },
  unanswered: { tone: 'warn', sign: '?', word: 'unanswered', lane: 'trouble' },
  refused: { tone: 'warn', sign: '⊘', word: 'refused', lane: 'trouble' },
  'issue-failed': { tone: 'bad', sign: '✕', word: 'not issued', lane: 'trouble' },
  expired: { tone: 'bad', sign: '!', word: 'expired', lane: 'trouble' },
  authority: { tone: 'quiet', sign: '◆', word: 'CA', lane: 'trust' },
  bundle: { tone: 'quiet', sign: '◇', word: 'bundle', lane: 'trust' },
  source: { tone: 'quiet', sign: '≡', word: 'file', lane: 'trust' },
  clock: { tone: 'warn', sign: '!', word: 'clock', lane: 'trouble' },
}

/** The rows of the picture, lowest first. */
export const LANES = ['trouble', 'acknowledged', 'pushed', 'issued', 'trust'] as const
export type Lane = (typeof LANES)[number]

export function lookOfKind(kind: TimelineKind): Look & { readonly lane: Lane } {
  return KINDS[kind]
}
