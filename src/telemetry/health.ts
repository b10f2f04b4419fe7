import type { Clock } from '../runtime/clock.ts'
import { SpindleError, codeOf } from '../runtime/errors.ts'
import { redactText } from './redact.ts'

export type Probe = 'live' | 'ready'

/** One thing that must work. It goes the way a caller's request goes, rather than reading a flag. */
export interface HealthCheck {
  readonly name: string
  /** Which of the answers it is part of. */
  readonly probes: readonly Probe[]
  /** Resolves to a word about the state, or to nothing; rejects with why it does not work. */
  run(): Promise<string | undefined>
}

export interface CheckResult {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  /** How long it took. */
  readonly ms: number
}

export interface HealthResult {
  readonly ok: boolean
  readonly checks: readonly CheckResult[]
}

export interface Health {
  live(): Promise<HealthResult>
  ready(): Promise<HealthResult>
}

/** All checks of a probe run at once, each against `deadlineMs`; an answer comes no later than that. */
export function createHealth(options: {
  readonly clock: Clock
  readonly deadlineMs: number
  readonly checks: readonly HealthCheck[]
}): Health {
  const { clock, deadlineMs } = options
  const runners = options.checks.map((check) => ({ check, run: runner(check, clock, deadlineMs) }))
  const answer = async (probe: Probe): Promise<HealthResult> => {
    const wanted = runners.filter(({ check }) => check.probes.includes(probe))
    const checks = await Promise.all(wanted.map(({ run }) => run()))
    return { ok: checks.every(({ ok }) => ok), checks }
  }
  return { live: () => answer('live'), ready: () => answer('ready') }
}

/**
 * A check that hangs is not started again by the next probe: probes come every few seconds for as long as it hangs, and each
 * start would hold something. They all wait for the one that runs.
 */
function runner(check: HealthCheck, clock: Clock, deadlineMs: number): () => Promise<CheckResult> {
  let running: { readonly since: number; readonly outcome: Promise<Outcome> } | undefined
  return async () => {
    const run = (running ??= { since: clock.monotonic(), outcome: settled(check) })
    void run.outcome.then(() => {
      if (running === run) running = undefined
    })
    const outcome = await withDeadline(
      run.outcome,
      clock,
      deadlineMs - (clock.monotonic() - run.since),
    )
    const ms = Math.round(clock.monotonic() - run.since)
    return { name: check.name, ...(outcome ?? overdue(deadlineMs)), ms }
  }
}

interface Outcome {
  readonly ok: boolean
  readonly detail: string
}

async function settled(check: HealthCheck): Promise<Outcome> {
  try {
    return { ok: true, detail: redactText((await check.run()) ?? '') }
  } catch (error) {
    // The text of a foreign error may hold anything, and this page is read without a login.
    const detail = error instanceof SpindleError ? redactText(error.message) : codeOf(error)
    return { ok: false, detail }
  }
}

function overdue(deadlineMs: number): Outcome {
  return { ok: false, detail: `no answer within ${deadlineMs} ms` }
}

function withDeadline<T>(work: Promise<T>, clock: Clock, leftMs: number): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(Math.max(0, leftMs), () => resolve(undefined))
    work.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error instanceof Error ? error : new Error('rejected without an error'))
      },
    )
  })
}
