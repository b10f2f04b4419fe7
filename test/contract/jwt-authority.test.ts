// JI-13 of docs/conformance.md.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until } from '../fakes/until.ts'
import { idOf, statuses } from './authorities.ts'
import { jwtSetting, KEY_TTL, kinds, MINUTE, request, verify } from './jwt-authorities.ts'

for (const kind of kinds) {
  describe(`JwtAuthority, ${kind.name}`, () => {
    test('issue: gives a token that a key of the state verifies, of the time asked for', async () => {
      const { clock, open } = jwtSetting(kind)
      const authority = await open()
      clock.jump(123)
      const svid = await authority.issue(request)
      const { claims, header } = await verify(authority, svid.token, clock.now())
      assert.equal(svid.authorityId, idOf(authority.state.current, 'active'))
      assert.deepEqual(header, { alg: 'ES256', kid: svid.authorityId, typ: 'JWT' })
      const iat = Math.floor(clock.now() / 1000)
      const exp = Math.floor((clock.now() + request.ttlMs) / 1000)
      assert.deepEqual([svid.issuedAt, svid.expiresAt], [iat * 1000, exp * 1000])
      assert.deepEqual(claims, { sub: request.spiffeId, aud: ['reports'], exp, iat })
      await authority.close()
    })

    test('issue: refuses a token for no audience', async () => {
      const { open } = jwtSetting(kind)
      const authority = await open()
      for (const audience of [[], [''], ['a', '']])
        await assert.rejects(authority.issue({ ...request, audience }), { code: 'request_invalid' })
      await authority.close()
    })

    test('prepare: the next key is published before it signs', async () => {
      const { open } = jwtSetting(kind)
      const authority = await open()
      const { authorityId } = await authority.issue(request)
      await authority.prepare()
      const prepared = idOf(authority.state.current, 'prepared')
      const published = authority.state.current.keys.map((key) => key['kid'])
      assert.deepEqual(published, [authorityId, prepared])
      await authority.close()
    })

    test('replace: the next key signs by itself once it was out for long enough, after a restart too', async () => {
      const { clock, open } = jwtSetting(kind)
      const first = await open()
      const before = idOf(first.state.current, 'active')
      await first.replace()
      assert.deepEqual(statuses(first.state.current), ['active', 'prepared'])
      const due = first.state.current.slots[1]?.activatesAt ?? 0
      assert.ok(Math.abs(due - clock.now() - 5 * MINUTE) < 1_000, String(due - clock.now()))
      await first.close()

      const authority = await open()
      assert.equal(authority.state.current.slots[1]?.activatesAt, due)
      await clock.advance(due - clock.now() - 1_000)
      assert.equal((await authority.issue(request)).authorityId, before)
      await clock.advance(2_000)
      const state = await until(authority.state, (now) => idOf(now, 'old') === before)
      assert.deepEqual(statuses(state), ['old', 'active'])
      await clock.advance(20_000)
      assert.deepEqual(statuses(authority.state.current), ['old', 'active'], 'once is enough')
      await authority.close()
    })

    test('replace: a key that is out already signs at once', async () => {
      const { clock, open } = jwtSetting(kind)
      const authority = await open()
      await authority.prepare()
      const prepared = idOf(authority.state.current, 'prepared')
      await clock.advance(6 * MINUTE)
      await authority.replace()
      assert.equal(idOf(authority.state.current, 'active'), prepared)
      await authority.close()
    })

    test('publishMs: where bundles are read seldom, a key waits for as long as that takes', async () => {
      const { clock, open } = jwtSetting(kind)
      const authority = await open({ publishMs: 25 * MINUTE })
      await authority.replace()
      const due = authority.state.current.slots[1]?.activatesAt ?? 0
      assert.ok(Math.abs(due - clock.now() - 25 * MINUTE) < 1_000, String(due - clock.now()))
      await authority.close()
    })

    test('rotation: a key leaves the bundle long after its last token has ended', async () => {
      const { clock, open } = jwtSetting(kind)
      const authority = await open()
      const first = idOf(authority.state.current, 'active')
      const kids = (): readonly unknown[] => authority.state.current.keys.map((key) => key['kid'])
      await clock.advance(2 * KEY_TTL - 2 * MINUTE)
      assert.ok(kids().includes(first))
      await clock.advance(4 * MINUTE)
      await until(authority.state, () => !kids().includes(first))
      await authority.close()
    })

    for (const [keyType, algorithm] of [
      ['ec-p384', 'ES384'],
      ['rsa-2048', 'RS256'],
    ] as const) {
      test(`issue: with a key of ${keyType}`, async () => {
        const { clock, open } = jwtSetting(kind)
        const authority = await open({ keyType })
        const { token } = await authority.issue(request)
        const { header } = await verify(authority, token, clock.now())
        assert.equal(header['alg'], algorithm)
        await authority.close()
        const again = await open({ keyType })
        await verify(again, token, clock.now())
        await again.close()
      })
    }
  })
}
