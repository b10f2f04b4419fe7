import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ADMITTED, castOf, REGISTERED, ROLES } from '../../../../src/cli/demo/scene/cast.ts'

for (const toldBy of ['uid', 'path'] as const)
  test(`castOf() by ${toldBy}: no two have one selector or SPIFFE ID`, () => {
    const members = Object.values(castOf(toldBy, '/tmp/demo/bin'))
    assert.equal(members.length, ROLES.length)
    for (const fact of ['selector', 'spiffeId'] as const)
      assert.equal(new Set(members.map((member) => member[fact])).size, ROLES.length, fact)
    for (const { selector, uid, program } of members)
      assert.equal(selector, uid === undefined ? `unix:path:${program}` : `unix:uid:${uid}`)
  })

test('castOf() by uid has one program for all; by path, none is another user', () => {
  const programs = (toldBy: 'uid' | 'path'): number =>
    new Set(Object.values(castOf(toldBy, '/bin')).map(({ program }) => program)).size
  assert.deepEqual([programs('uid'), programs('path')], [1, ROLES.length])
  assert.ok(Object.values(castOf('path', '/bin')).every(({ uid }) => uid === undefined))
})

test('the intruder has an entry and is not let in; the newcomer is let in and has none', () => {
  assert.deepEqual(
    ROLES.map((role) => [role, REGISTERED.includes(role), ADMITTED.includes(role)]),
    [
      ['api', true, false],
      ['client', true, true],
      ['intruder', true, false],
      ['newcomer', false, true],
    ],
  )
})
