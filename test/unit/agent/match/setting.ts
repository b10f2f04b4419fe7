import type { TestContext } from 'node:test'
import { createCallers } from '../../../../src/agent/match/callers.ts'
import type { Caller } from '../../../../src/agent/match/caller.ts'
import type { Entry } from '../../../../src/registration/entry.ts'
import type { Registry } from '../../../../src/registration/match.ts'
import { createRegistry } from '../../../../src/registration/match.ts'
import type { Selector } from '../../../../src/registration/selector.ts'
import { createFeed } from '../../../../src/runtime/feed.ts'
import type { MutableFeed } from '../../../../src/runtime/feed.ts'
import { createFakeAttestor } from '../../../fakes/attestor.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { createFakeConnection } from '../../../fakes/connection.ts'
import { createScriptedRandom } from '../../../fakes/random.ts'
import { entry } from '../obtain/setting.ts'

export const PERIOD_MS = 60_000
export const of = (name: string, ...selectors: string[]): Entry =>
  entry(name, { selectors: selectors as Selector[] })
export const registryOf = (...entries: readonly Entry[]): Registry => createRegistry(entries)
export const WEB = of('web', 'unix:uid:1001')

/** A caller of uid 1001 that has just connected. */
export function setUp(t: TestContext, options: { registry?: Registry | undefined } = {}) {
  const clock = createManualClock()
  const attestor = createFakeAttestor(clock, 'unix:uid:1001')
  const registry: MutableFeed<Registry | undefined> = createFeed<Registry | undefined>(
    'registry' in options ? options.registry : registryOf(WEB),
  )
  const refusals: string[] = []
  const attested: number[] = []
  const callers = createCallers({
    attestor,
    registry,
    clock,
    random: createScriptedRandom(0.5),
    periodMs: PERIOD_MS,
    onAttested: (_, elapsedMs) => attested.push(elapsedMs),
    onRefused: (_, code) => refusals.push(code),
  })
  t.after(() => callers.close())
  const connection = createFakeConnection()
  return { clock, attestor, registry, refusals, attested, callers, connection }
}

export const matched = (caller: Caller): string[] =>
  caller.state.current.match.entries.map(({ id }) => id)
export const attestations = ({ attestor }: ReturnType<typeof setUp>): number =>
  attestor.wanted.length
