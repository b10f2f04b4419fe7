import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEmbeddedAuthority } from '../../../../src/authority/embedded.ts'
import { createFileSlotStore } from '../../../../src/authority/slot-file.ts'
import type { Clock } from '../../../../src/runtime/clock.ts'
import type { TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { createStateFile } from '../../../fakes/state-file.ts'
import { until } from '../../../fakes/until.ts'

const CA_TTL_MS = 40_000
const trustDomain = 'example.org' as TrustDomain

/** As the system's: whole milliseconds, and later each time it is read. */
const creeping = (clock: Clock, stepMs: number): Clock => {
  let crept = 0
  return { ...clock, now: () => Math.floor(clock.now() + (crept += stepMs)) }
}

test('a next authority signs when it is due, wherever between two readings the clock comes to that instant', async () => {
  for (let round = 0; round < 20; round++) {
    const manual = createManualClock({ now: Date.UTC(2030, 0, 1) + round * 0.37 })
    const at: Record<string, number[]> = {}
    const authority = await createEmbeddedAuthority({
      trustDomain,
      keyType: 'ec-p256',
      caTtlMs: CA_TTL_MS,
      clock: creeping(manual, 0.05 + round * 0.03),
      random: createSeededRandom(`round ${round}`),
      store: createFileSlotStore(createStateFile(), { kind: 'embedded', trustDomain }),
      onEvent: ({ kind }) => (at[kind] = [...(at[kind] ?? []), manual.monotonic()]),
    })
    // A sixth of its life, which began ten seconds before it was made, before its end.
    const due = CA_TTL_MS - (CA_TTL_MS + 10_000) / 6
    await manual.advance(CA_TTL_MS / 2)
    await until(authority.state, ({ slots }) => slots.length === 2)
    while (manual.monotonic() < CA_TTL_MS - 2_000) await manual.advance(500)
    await authority.close()
    const second = at['activated']?.[1] ?? Infinity
    assert(Math.abs(second - due) < 2_000, `round ${round}: ${second} ms, not ${due}`)
  }
})
