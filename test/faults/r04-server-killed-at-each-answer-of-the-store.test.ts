/**
 * R04: a server is killed at each point where it would go on with what the store answers, once. What began it is not asked again.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SlotStatus, SlotView } from '../../src/authority/authority.ts'
import type { Issuing } from '../../src/server/issue/issuing.ts'
import type { StoredBundle } from '../../src/store/model.ts'
import { fleet, mortal } from '../unit/server/issue/setting.ts'
import type { Fleet } from '../unit/server/issue/setting.ts'

const idOf = (slots: readonly SlotView[], wanted: SlotStatus): string =>
  slots.find(({ status }) => status === wanted)?.authorityId ?? ''

interface Killed {
  readonly name: string
  /** What is done before, and then under way when it is killed. */
  readonly before?: (issuing: Issuing) => Promise<unknown>
  readonly during: (own: Issuing | undefined, open: () => Promise<Issuing>) => Promise<unknown>
  /** How many authorities of each kind there may be afterwards. */
  readonly most: number
}

const turned = async ({ x509, jwt }: Issuing): Promise<void> => {
  for (const authority of [x509, jwt]) {
    await authority.prepare()
    await authority.activate()
  }
}
const old = ({ x509 }: Issuing): string => idOf(x509.state.current.slots, 'old')
const oldKey = ({ jwt }: Issuing): string => idOf(jwt.state.current.slots, 'old')

const CASES: readonly Killed[] = [
  { name: 'its first start', during: (_, open) => open(), most: 1 },
  { name: 'prepare', during: (own) => own!.x509.prepare(), most: 2 },
  { name: 'prepare of a JWT key', during: (own) => own!.jwt.prepare(), most: 2 },
  {
    name: 'activate',
    before: (own) => own.x509.prepare(),
    during: (own) => own!.x509.activate(),
    most: 2,
  },
  { name: 'taint', before: turned, during: (own) => own!.x509.taint(old(own!)), most: 2 },
  { name: 'revoke', before: turned, during: (own) => own!.x509.revoke(old(own!)), most: 2 },
  {
    name: 'revoke of a JWT key',
    before: turned,
    during: (own) => own!.jwt.revoke(oldKey(own!)),
    most: 2,
  },
]

for (const { name, before, during, most } of CASES)
  test(`killed in the middle of ${name}, a server goes on with the authorities it had`, async (t) => {
    let points = 0
    for (; points < 100; points++) {
      const at = await fleet(t)
      const server = at.server('a')
      const process = mortal(at.store)
      const { store } = process
      const own = most === 1 ? undefined : await server.open({ store })
      if (own !== undefined) await before?.(own)
      const active = own && idOf(own.x509.state.current.slots, 'active')
      const activeKey = own && idOf(own.jwt.state.current.slots, 'active')
      process.left = points
      const work = during(own, () => server.open({ store }))
      const done = await Promise.race([work.then(() => true), process.died.then(() => false)])
      process.left = 0
      await check(at, await server.open(), { active, activeKey, most })
      if (done) break
    }
    assert.ok(points > 2 && points < 100, `${points} points`)
  })

async function check(
  at: Fleet,
  after: Issuing,
  was: { active: string | undefined; activeKey: string | undefined; most: number },
): Promise<void> {
  const { slots } = after.x509.state.current
  const { slots: keys } = after.jwt.state.current
  const bundle = await at.bundle()
  assert.ok(slots.length <= was.most && keys.length <= was.most, 'one was made anew')
  const ids = slots.map(({ authorityId }) => authorityId)
  if (was.active !== undefined) assert.ok(ids.includes(was.active))
  if (was.activeKey !== undefined)
    assert.ok(keys.some(({ authorityId }) => authorityId === was.activeKey))
  // What the store says is what the server has: nothing is left there of what it does not know.
  assert.equal(bundle.x509Authorities.length, slots.length)
  assert.deepEqual(kids(bundle), keys.map(({ authorityId }) => authorityId).toSorted())
  const rows = await at.store.authorities.list()
  assert.deepEqual(
    rows.map(({ authorityId, status }) => `${authorityId} ${status}`).toSorted(),
    [...slots, ...keys].map(({ authorityId, status }) => `${authorityId} ${status}`).toSorted(),
  )
  const taintedSlots = slots.filter(({ status }) => status === 'tainted')
  assert.equal(bundle.x509Authorities.filter(({ tainted }) => tainted).length, taintedSlots.length)
}

const kids = ({ jwtAuthorities }: StoredBundle): string[] =>
  jwtAuthorities.map(({ keyId }) => keyId).toSorted()
