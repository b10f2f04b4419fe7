/**
 * S06: nothing of ours keeps a key that was replaced. That no core is dumped and nobody else reads the memory:
 * test/e2e/agent-process-guards-itself.test.ts. What cannot be promised: docs/decisions/keys-in-memory.md.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../e2e/rig/rig.ts'
import { collectGarbage } from '../leaks.ts'
import type { InTime } from './in-time.ts'
import { inTime } from './in-time.ts'

const IDENTITIES = 10

/** References that keep nothing: to each identity that is current, and to its key. */
const current = ({ served }: InTime): WeakRef<object>[] =>
  served.identities.current().flatMap((each) => [new WeakRef(each), new WeakRef(each.pkcs8)])

const kept = (references: readonly WeakRef<object>[]): number =>
  references.filter((reference) => reference.deref() !== undefined).length

test('S06: once the next are acknowledged, no replaced identity and no key of it can be reached any more', async (t) => {
  const made = await inTime(t, IDENTITIES)
  const before = current(made)
  assert.equal(before.length, 2 * IDENTITIES)
  collectGarbage()
  assert.equal(kept(before), before.length, 'what is served is kept')
  assert.equal(await made.served.identities.renewAll(), IDENTITIES)
  await made.arrived()
  await eventually('all are let go', () => {
    collectGarbage()
    return kept(before) === 0
  })
  assert.equal(kept(current(made)), 2 * IDENTITIES)
})
