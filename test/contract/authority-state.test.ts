import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../fakes/until.ts'
import { idOf, MINUTE, statuses } from './authorities.ts'
import { forEachSigner } from './signers.ts'

forEachSigner((kind) => {
  describe(`An authority's state: ${kind.name}`, () => {
    test('restart: keeps its slots, and what was signed before stays valid', async () => {
      const { clock, file, open, sign, published } = kind.setting()
      const first = await open()
      await first.prepare()
      const before = await sign(first)
      const { slots } = first.state.current
      const told = published(first)
      await first.close()
      const writes = file.writes
      clock.jump(MINUTE)

      const second = await open()
      assert.deepEqual(second.state.current.slots, slots)
      assert.deepEqual(published(second), told)
      assert.equal(file.writes, writes, 'nothing changed, so nothing is written')
      await before.check(second)
      await (await sign(second)).check(second)
      await second.close()
    })

    test('restart: the key of a slot that is old is not kept, what it signed stays valid', async () => {
      const { file, open, sign } = kind.setting()
      const authority = await open()
      const before = await sign(authority)
      await authority.prepare()
      await authority.activate()
      const { slots } = JSON.parse(file.text ?? '') as { slots: { status: string; key?: string }[] }
      assert.deepEqual(
        slots.map((slot) => [slot.status, slot.key !== undefined]),
        [
          ['old', false],
          ['active', true],
        ],
      )
      await authority.close()
      const again = await open()
      await before.check(again)
      await again.close()
    })

    test('restart: a state that cannot be read is moved aside and told, and a fresh slot signs', async () => {
      const { file, events, open, sign } = kind.setting()
      const first = await open()
      await first.close()
      const before = idOf(first.state.current, 'active')
      file.text = `${file.text?.slice(0, -40)}`
      const broken = file.text

      const second = await open()
      assert.notEqual(idOf(second.state.current, 'active'), before)
      assert.deepEqual([...file.aside.values()], [broken])
      const told = events.find((event) => event.kind === 'state_set_aside')
      assert.equal(told?.movedTo, 'state.json.aside-1')
      await sign(second)
      await second.close()
    })

    test('storing fails: the fault is shown, signing goes on, and it heals by itself', async () => {
      const { clock, file, open, sign } = kind.setting()
      const authority = await open()
      file.writeFault = new Error('no space left on device')
      await authority.prepare()
      assert.match(authority.state.current.fault ?? '', kind.unsaved)
      await sign(authority)
      file.writeFault = undefined
      await clock.advance(11_000)
      const healed = await until(authority.state, (state) => state.fault === undefined)
      assert.deepEqual(statuses(healed), ['active', 'prepared'])
      await authority.close()
    })

    test('storing fails: a prepared slot is not let sign by hand, and is once it is stored', async () => {
      const { clock, file, open } = kind.setting()
      const authority = await open()
      const before = idOf(authority.state.current, 'active')
      file.writeFault = new Error('no space left on device')
      await authority.prepare()
      await assert.rejects(authority.activate(), {
        code: 'authority_unavailable',
        message: /may not sign: .*no space left/,
      })
      assert.equal(idOf(authority.state.current, 'active'), before)
      file.writeFault = undefined
      await clock.advance(11_000)
      await until(authority.state, (state) => state.fault === undefined)
      await authority.activate()
      assert.notEqual(idOf(authority.state.current, 'active'), before)
      await authority.close()
    })

    test('no private key and no token is in the state or in what is told', async () => {
      const { file, events, open, sign } = kind.setting()
      const authority = await open()
      await authority.prepare()
      const { secret } = await sign(authority)
      const shown = JSON.stringify([authority.state.current, events])
      if (secret !== undefined) assert.ok(secret !== '' && !shown.includes(secret))
      const bodies = [...(file.text ?? '').matchAll(/PRIVATE KEY-----\\n(.*?)\\n-----END/g)]
      assert.equal(bodies.length, 2)
      for (const [, body] of bodies) {
        for (const line of (body ?? '').split('\\n')) assert.ok(!shown.includes(line))
      }
      await authority.close()
    })
  })
})
