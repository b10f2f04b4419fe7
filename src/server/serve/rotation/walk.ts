/** One rotation, step by step, each taken when it harms nobody. Says where it is whenever that changes. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { RotateStep } from '#spindle/server/v1/rotation_pb.js'
import type { RotateProgressSchema, RotateRequest } from '#spindle/server/v1/rotation_pb.js'
import type { Clock } from '../../../runtime/clock.ts'
import { SpindleError } from '../../../runtime/errors.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { Store } from '../../../store/port.ts'
import type { Registry } from '../../enroll/registry.ts'
import type { FleetView } from '../../publish/fleet-view.ts'
import type { LocalAuthorityParts, Steps } from '../localauthority/steps.ts'
import type { Asked } from '../service.ts'
import { openRoll } from './fleet.ts'
import type { Muster, Roll } from './fleet.ts'
import { planOf } from './plan.ts'
import type { Plan } from './plan.ts'
import type { Unseen } from './unseen.ts'

export type Kind = 'x509' | 'jwt'
export type Progress = MessageInitShape<typeof RotateProgressSchema>

export interface RotationParts extends Omit<LocalAuthorityParts, 'store' | 'registry'> {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly store: Pick<Store, 'authorities' | 'bundles' | 'agents'>
  readonly registry: Pick<Registry, 'agent' | 'onChange' | 'bundle' | 'caughtUp' | 'shown'>
  readonly fleet: FleetView
  readonly unseen: Unseen
}

export interface Walk {
  readonly kind: Kind
  readonly steps: Steps
  /** Which are to end. */
  readonly going: ReadonlySet<string>
  readonly withdraws: boolean
  readonly request: Pick<RotateRequest, 'force' | 'allowAway' | 'waitSeconds'>
  readonly asked: Asked
  readonly signal: AbortSignal
}

const STEPS = {
  prepare: RotateStep.PREPARE,
  activate: RotateStep.ACTIVATE,
  taint: RotateStep.TAINT,
  revoke: RotateStep.REVOKE,
  done: RotateStep.DONE,
} as const

const WAIT_S = 600
/** A fleet that gets ready is looked at, and told of, no more often. */
const PAUSE_MS = 200
/** What only time changes (SVIDs that expire), and what other servers have written down, is seen after this long. */
const LOOK_MS = 1_000
const MOST_NAMED = 20
/** Prepare, activate, taint and revoke, and the same again where somebody else has a hand in it. */
const MOST_STEPS = 16

/** @throws SpindleError `precondition_failed`, and what the steps throw */
export async function* walk(parts: RotationParts, way: Walk): AsyncGenerator<Progress> {
  const roll = await openRoll(parts)
  try {
    for (let taken = 0; taken < MOST_STEPS; taken++) {
      if (way.signal.aborted) return
      const plan = planNow(parts, way)
      if (plan.step === 'activate' || plan.step === 'revoke') {
        yield* untilReady(parts, way, { plan, roll })
        // Somebody else took the step, or another one, meanwhile.
        if (way.signal.aborted || !sameStep(plan, planNow(parts, way))) continue
      } else {
        yield progressOf(plan, roll.muster(needsOf(parts, way, plan)))
      }
      if (plan.step === 'done') return
      await take(plan, way)
    }
  } finally {
    roll.close()
  }
  throw new SpindleError('precondition_failed', 'the authority is being changed by others as well')
}

function planNow({ issuing }: RotationParts, { kind, going, withdraws }: Walk): Plan {
  return planOf(issuing[kind].state.current.slots, going, withdraws)
}

async function take({ step, next = '', old }: Plan, { steps, asked }: Walk): Promise<void> {
  switch (step) {
    case 'prepare':
      return void (await steps.prepare(asked))
    case 'activate':
      return void (await steps.activate(next, asked))
    case 'taint':
    case 'revoke':
      for (const id of old) await steps[step](id, asked)
      return
    case 'done':
  }
}

function needsOf({ registry, trustDomain }: RotationParts, { kind }: Walk, { step, old }: Plan) {
  const sequence = registry.bundle(trustDomain)?.sequence ?? 0
  return { sequence, kind, unneeded: step === 'revoke' ? old : [] }
}

/** Tells how far the agents are, until all are ready for the step, or it is not the next one any more. */
async function* untilReady(
  parts: RotationParts,
  way: Walk,
  { plan, roll }: { readonly plan: Plan; readonly roll: Roll },
): AsyncGenerator<Progress> {
  const { clock, registry } = parts
  const { request, signal } = way
  await registry.caughtUp()
  // What the step rests on is in the bundle of now; what comes later is not waited for.
  const needs = needsOf(parts, way, plan)
  const deadline = clock.monotonic() + (request.waitSeconds || WAIT_S) * 1000
  const watch = watchOf(parts, way)
  let told = ''
  try {
    while (!signal.aborted && sameStep(plan, planNow(parts, way))) {
      await roll.look()
      const muster = roll.muster(needs)
      const waitsFor = request.force ? [] : hindrances(parts, way, { plan, muster })
      const progress = progressOf(plan, muster, waitsFor.join('; '))
      if (told !== JSON.stringify(progress)) yield progress
      told = JSON.stringify(progress)
      if (waitsFor.length === 0) return
      if (clock.monotonic() >= deadline) throw notReady(plan, waitsFor)
      await watch.next(deadline - clock.monotonic())
    }
  } finally {
    watch.close()
  }
}

const sameStep = (one: Plan, other: Plan): boolean =>
  one.step === other.step && one.next === other.next && one.old.join() === other.old.join()

/** Why the step would harm somebody; none: it would not. */
function hindrances(
  { unseen, issuing, clock }: RotationParts,
  { kind, request }: Walk,
  { plan, muster }: { readonly plan: Plan; readonly muster: Muster },
): readonly string[] {
  const { step, old } = plan
  const { behind, away } = muster
  const what = step === 'activate' ? 'to apply the new bundle' : 'to replace what is to go'
  const why: string[] = []
  if (behind.length > 0) why.push(`${agents(behind, 'connected ')} ${what}: ${names(behind)}`)
  if (away.length > 0 && !request.allowAway)
    why.push(`${agents(away)} not connected to any server: ${names(away)}`)
  if (step !== 'revoke') return why
  if (kind === 'x509' && old.includes(issuing.svid.current.authorityId))
    why.push("the server's own SVID to be replaced")
  const until = Math.max(...old.map((id) => unseen.until(kind, id)))
  if (until > clock.now()) {
    const things = kind === 'jwt' ? 'tokens' : 'what operators minted and CAs of servers below'
    why.push(`${things} to end, at ${new Date(until).toISOString()}`)
  }
  return why
}

const agents = ({ length }: readonly SpiffeId[], which = ''): string =>
  `${length} ${which}${length === 1 ? 'agent' : 'agents'}`

const names = (ids: readonly SpiffeId[]): string =>
  ids.slice(0, 3).join(', ') + (ids.length > 3 ? ', …' : '')

function notReady({ step }: Plan, waitsFor: readonly string[]): SpindleError {
  const next = step === 'activate' ? 'the next authority to sign' : 'the end of the old one'
  return new SpindleError(
    'precondition_failed',
    `not yet, lest somebody is harmed: ${next} waits for ${waitsFor.join('; ')}. Nothing is lost: the same command goes on from here`,
  )
}

function progressOf(
  { step, next, old }: Plan,
  { connected, behind, away }: Muster,
  waitsFor = '',
): Progress {
  return {
    step: STEPS[step],
    ...(next !== undefined && { newAuthorityId: next }),
    oldAuthorityIds: [...old],
    connectedAgents: connected,
    readyAgents: connected - behind.length,
    behind: behind.slice(0, MOST_NAMED),
    awayAgents: away.length,
    away: away.slice(0, MOST_NAMED),
    waitsFor,
  }
}

interface Watch {
  /** Resolves when something may have changed since it resolved last, and after `mostMs` at the latest. */
  next(mostMs: number): Promise<void>
  close(): void
}

function watchOf(parts: RotationParts, { kind, signal }: Walk): Watch {
  const { clock, fleet, registry, issuing } = parts
  let hasChanged = false
  let rouse = (): void => {}
  let isLight = false
  const noticed = (): void => {
    hasChanged = true
    if (isLight) rouse()
  }
  /** Lightly: until something is noticed; else only the end of the call ends it early. */
  const sleep = async (ms: number, lightly: boolean): Promise<void> => {
    if (signal.aborted) return
    isLight = lightly
    await new Promise<void>((resolve) => {
      const timer = clock.after(Math.max(ms, 0), resolve)
      rouse = () => {
        timer.cancel()
        resolve()
      }
    })
  }
  const ended = (): void => rouse()
  signal.addEventListener('abort', ended)
  const ends = [
    fleet.onProgress(noticed),
    registry.onChange(noticed),
    issuing[kind].state.subscribe(noticed),
    issuing.svid.subscribe(noticed),
    () => signal.removeEventListener('abort', ended),
  ]
  return {
    async next(mostMs) {
      // What comes close behind the last is told with the next.
      await sleep(Math.min(mostMs, PAUSE_MS), false)
      if (!hasChanged) await sleep(Math.min(mostMs, LOOK_MS) - PAUSE_MS, true)
      hasChanged = false
    },
    close() {
      for (const end of ends) end()
    },
  }
}
