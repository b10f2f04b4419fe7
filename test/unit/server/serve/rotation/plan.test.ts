import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SlotStatus, SlotView } from '../../../../../src/authority/authority.ts'
import { planOf, toGo } from '../../../../../src/server/serve/rotation/plan.ts'

/** `a active`, and `b prepared`, which signs next. */
function slots(...texts: readonly string[]): readonly SlotView[] {
  return texts.map((text): SlotView => {
    const [authorityId, status] = text.split(' ') as [string, SlotStatus]
    const slot = { authorityId, status, notBefore: 0, notAfter: 1 }
    return status === 'prepared' ? { ...slot, activatesAt: 1 } : slot
  })
}

test('planOf walks from one authority to the next, and ends what was there before', () => {
  const going = toGo(slots('a active', 'z old'))
  assert.deepEqual(going, new Set(['z', 'a']))
  const steps = [
    [['z old', 'a active'], { step: 'prepare', old: ['z', 'a'] }],
    [['z old', 'a active', 'b prepared'], { step: 'activate', next: 'b', old: ['z', 'a'] }],
    [['z old', 'a old', 'b active'], { step: 'taint', next: 'b', old: ['z', 'a'] }],
    [['z tainted', 'a old', 'b active'], { step: 'taint', next: 'b', old: ['a'] }],
    [['z tainted', 'a tainted', 'b active'], { step: 'revoke', next: 'b', old: ['z', 'a'] }],
    [['a tainted', 'b active'], { step: 'revoke', next: 'b', old: ['a'] }],
    [['b active'], { step: 'done', next: 'b', old: [] }],
    [['b old', 'c active'], { step: 'done', next: 'c', old: [] }],
  ] as const
  for (const [these, plan] of steps) assert.deepEqual(planOf(slots(...these), going, true), plan)
})

test('planOf: where what is trusted is a CA above, there is nothing to taint', () => {
  const going = toGo(slots('a active'))
  assert.deepEqual(planOf(slots('a active', 'b prepared'), going, false), {
    step: 'activate',
    next: 'b',
    old: [],
  })
  assert.deepEqual(planOf(slots('a old', 'b active'), going, false), {
    step: 'done',
    next: 'b',
    old: [],
  })
})

test('toGo: what is tainted is the end of a rotation that was not finished', () => {
  const going = toGo(slots('z old', 'a tainted', 'b active', 'c prepared'))
  assert.deepEqual(going, new Set(['z', 'a']))
  assert.equal(planOf(slots('z old', 'a tainted', 'b active'), going, true).step, 'taint')
})

test('planOf: with nothing that signs the next is prepared', () => {
  assert.deepEqual(planOf([], toGo([]), true), { step: 'prepare', old: [] })
})
