import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../fakes/until.ts'
import { idOf, statuses } from './authorities.ts'
import { jwtSetting, kinds, MINUTE, request, verify } from './jwt-authorities.ts'

for (const kind of kinds) {
  describe(`JwtAuthority's state, ${kind.name}`, () => {
    test('restart: keeps its keys, and tokens of before stay valid', async () => {
      const { clock, file, open } = jwtSetting(kind)
      const first = await open()
      await first.prepare()
      const { token } = await first.issue(request)
      const { slots, keys } = first.state.current
      await first.close()
      const writes = file.writes
      clock.jump(MINUTE)

      const second = await open()
      assert.deepEqual(second.state.current.slots, slots)
      assert.deepEqual(second.state.current.keys, keys)
      assert.equal(file.writes, writes, 'nothing changed, so nothing is written')
      await verify(second, token, clock.now())
      await verify(second, (await second.issue(request)).token, clock.now())
      await second.close()
    })

    test('restart: the private half of a key that is old is not kept, its public half is', async () => {
      const { clock, file, open } = jwtSetting(kind)
      const authority = await open()
      const { token } = await authority.issue(request)
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
      await verify(again, token, clock.now())
      await again.close()
    })

    test('restart: a state that cannot be read is moved aside and told, and a fresh key signs', async () => {
      const { file, events, open } = jwtSetting(kind)
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
      await second.issue(request)
      await second.close()
    })

    test('storing fails: the fault is shown, signing goes on, and it heals by itself', async () => {
      const { clock, file, open } = jwtSetting(kind)
      const authority = await open()
      file.writeFault = new Error('no space left on device')
      await authority.prepare()
      assert.match(authority.state.current.fault ?? '', /JWT authority's state .*no space left/)
      await authority.issue(request)
      file.writeFault = undefined
      await clock.advance(11_000)
      const healed = await until(authority.state, (state) => state.fault === undefined)
      assert.deepEqual(statuses(healed), ['active', 'prepared'])
      await authority.close()
    })

    test('storing fails: a prepared key is not let sign by hand, and is once it is stored', async () => {
      const { clock, file, open } = jwtSetting(kind)
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
      const { file, events, open } = jwtSetting(kind)
      const authority = await open()
      await authority.prepare()
      const { token } = await authority.issue(request)
      const shown = JSON.stringify([authority.state.current, events])
      assert.ok(!shown.includes(token.split('.')[1] ?? ''))
      const bodies = [...(file.text ?? '').matchAll(/PRIVATE KEY-----\\n(.*?)\\n-----END/g)]
      assert.equal(bodies.length, 2)
      for (const [, body] of bodies) {
        for (const line of (body ?? '').split('\\n')) assert.ok(!shown.includes(line))
      }
      await authority.close()
    })
  })
}
