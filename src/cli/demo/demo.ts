/** `spindle demo`: starts everything, checks what must hold, says so, and leaves nothing behind. */
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../os/host/package-root.ts'
import { makeScratch, removeScratch } from '../../os/scratch.ts'
import { systemClock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import { keepAlive } from '../../runtime/keep-alive.ts'
import type { Io } from '../io.ts'
import { CommandFailed } from '../io.ts'
import type { Check } from './check.ts'
import { CHECKS, START } from './checks.ts'
import { createEnds } from './ends.ts'
import type { CheckResult } from './report.ts'
import { holds, logTail, report, time } from './report.ts'
import { castOf } from './scene/cast.ts'
import type { Member, Role, ToldBy } from './scene/cast.ts'
import { envoyVersion, findEnvoy, placePrograms } from './scene/find-envoy.ts'
import type { Scene, SceneOptions } from './scene/scene.ts'
import { startScene } from './scene/scene.ts'
import { tryNext, writeSpindle } from './try-next.ts'
import type { Patience } from './wait.ts'

/** Resolves when every check holds. @throws CommandFailed when one does not, or the demo cannot run here */
export async function runDemo(io: Io, { stay }: { readonly stay: boolean }): Promise<void> {
  if (process.platform !== 'linux')
    throw new CommandFailed(3, 'The demo needs Linux: identities rest on what its kernel says.')
  const envoy = findEnvoy(PACKAGE_ROOT, io.env)
  const clock = systemClock
  const began = clock.monotonic()
  const say = (line: string): void => {
    const at = `${((clock.monotonic() - began) / 1000).toFixed(1)} s`
    io.out(`${at.padStart(7)}  ${line}\n`)
  }

  const interrupt = new AbortController()
  const { signal } = interrupt
  const stopListening = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) =>
    io.onSignal(name, () => interrupt.abort(new Error(`${name} received`))),
  )
  const ends = createEnds()
  // What is under way fails at once when the processes it asks have ended.
  signal.addEventListener('abort', () => void ends.run())
  // Once everything has been ended, nothing else does, and the folder is still to be removed.
  const release = keepAlive()
  const folder = makeScratch('spindle-demo-')
  try {
    const cast = await placeCast(envoy, folder, { clock, signal, say })
    const results: CheckResult[] = []
    const scene = await play({ folder, cast, ends, say, clock, signal }, results)
    const totals = { planned: CHECKS.length, totalMs: clock.monotonic() - began }
    io.out(`\n${report(results, totals)}`)
    if (stay && scene !== undefined) {
      io.out(tryNext(scene, writeSpindle(scene)))
      await aborted(signal)
    }
    if (!holds(results, CHECKS.length)) throw new CommandFailed(1)
  } catch (thrown) {
    if (!signal.aborted) throw thrown
    throw new CommandFailed(1, `demo: interrupted (${messageOf(signal.reason)})`)
  } finally {
    await ends.run()
    removeScratch(folder)
    for (const stop of stopListening) stop()
    release()
  }
}

/** The cast, with Envoys that have been seen to run as its users. */
async function placeCast(
  envoy: string,
  folder: string,
  { say, ...patience }: Patience & Pick<SceneOptions, 'say'>,
): Promise<Readonly<Record<Role, Member>>> {
  const programs = join(folder, 'bin')
  const ways: readonly ToldBy[] = process.geteuid?.() === 0 ? ['uid', 'path'] : ['path']
  let why = ''
  for (const toldBy of ways) {
    const cast = castOf(toldBy, programs)
    try {
      placePrograms(envoy, Object.values(cast))
      const version = await envoyVersion(cast.api, patience)
      say(`Envoy ${version} is ${envoy}; all else is in ${folder}`)
      if (toldBy === 'uid') say('each Envoy runs as a user of its own, by which the agent knows it')
      else say('each Envoy is a program of its own, by whose path the agent knows it')
      return cast
    } catch (thrown) {
      patience.signal.throwIfAborted()
      why = messageOf(thrown)
    }
  }
  throw new CommandFailed(
    3,
    `Envoy cannot be run: ${why}\n` +
      'Set ENVOY_BIN to an Envoy for this machine; where the folder forbids programs, set TMPDIR to another.',
  )
}

/** Runs what can be run. @returns the scene, unless it did not start */
async function play(options: SceneOptions, results: CheckResult[]): Promise<Scene | undefined> {
  const { say, clock, signal } = options
  const start = clock.monotonic()
  let scene: Scene
  try {
    scene = await startScene(options)
  } catch (thrown) {
    signal.throwIfAborted()
    const detail = messageOf(thrown)
    say(`FAILED: ${detail.trimEnd().replaceAll('\n', '\n    ')}`)
    results.push({ name: START, ok: false, detail, ms: clock.monotonic() - start })
    return undefined
  }
  for (const check of CHECKS) {
    say(check.doing)
    const result = await perform(check, scene, options)
    if (!result.ok) {
      say(`FAILED after ${time(result.ms)}: ${result.detail}\n${logsOf(check, scene)}`)
    }
    results.push(result)
  }
  return scene
}

async function perform(check: Check, scene: Scene, patience: Patience): Promise<CheckResult> {
  const { clock, signal } = patience
  const { name } = check
  const start = clock.monotonic()
  try {
    const { detail, ms } = await check.run(scene, patience)
    return { name, ok: true, detail, ms: ms ?? clock.monotonic() - start }
  } catch (thrown) {
    signal.throwIfAborted()
    return { name, ok: false, detail: messageOf(thrown), ms: clock.monotonic() - start }
  }
}

function logsOf({ logs }: Check, { agent, sidecars }: Scene): string {
  const tail = (who: Role | 'agent'): string =>
    who === 'agent'
      ? logTail('the agent', agent.child.output())
      : logTail(`the Envoy of ${who}`, sidecars[who].envoy.child.output())
  return logs.map(tail).join('')
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
