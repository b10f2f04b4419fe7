import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { LocalAuthority } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import type { AuthorityState } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import { parseCertificate } from '../../../../../src/certs/parse.ts'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { trustDomain } from '../../issue/setting.ts'
import { createSetting } from './setting.ts'

const { method } = LocalAuthority

/** The same steps of X.509 and of JWT authorities. */
const kinds = [
  {
    name: 'X509',
    show: method.getX509AuthorityState,
    prepare: method.prepareX509Authority,
    activate: method.activateX509Authority,
    taint: method.taintX509Authority,
    revoke: method.revokeX509Authority,
  },
  {
    name: 'JWT',
    show: method.getJWTAuthorityState,
    prepare: method.prepareJWTAuthority,
    activate: method.activateJWTAuthority,
    taint: method.taintJWTAuthority,
    revoke: method.revokeJWTAuthority,
  },
] as const

async function openKind(t: TestContext, kind: (typeof kinds)[number]) {
  const setting = await createSetting(t)
  const { call, bundle, registry } = setting
  const show = async () => {
    const { active, prepared, old } = await call(kind.show, {})
    return [active, prepared, old].map((each) => each?.authorityId)
  }
  /** What the bundle has, in the store and in the registry: ids of authorities, with `!` where tainted. */
  const published = async () => {
    const stored = await bundle()
    const of = ({ x509Authorities, jwtAuthorities }: typeof stored): readonly string[] =>
      kind.name === 'X509'
        ? x509Authorities.map(
            ({ certificate, tainted }) =>
              parseCertificate(certificate, 'one').subjectKeyId + (tainted ? '!' : ''),
          )
        : jwtAuthorities.map(({ keyId, tainted }) => keyId + (tainted ? '!' : ''))
    const [one, other] = [of(stored), of(registry.bundle(trustDomain)!)]
    assert.deepEqual(one, other)
    return one
  }
  const step = async (
    what: 'prepare' | 'activate' | 'taint' | 'revoke',
    authorityId = '',
  ): Promise<AuthorityState> => {
    const answer = await call(kind[what], what === 'prepare' ? {} : { authorityId })
    const [state] = Object.values(answer).filter((each) => typeof each === 'object')
    return state as AuthorityState
  }
  return { ...setting, show, published, step }
}

for (const kind of kinds)
  describe(`localauthority, ${kind.name}`, () => {
    test('the four steps: each is seen in the store, in the registry, in the state and in the audit', async (t) => {
      const { step, show, published, audited, clock } = await openKind(t, kind)
      const [first = ''] = await show()
      assert.deepEqual(await show(), [first, undefined, undefined])
      const { authorityId: next, expiresAt, upstreamAuthoritySubjectKeyId } = await step('prepare')
      assert.equal(expiresAt, BigInt(clock.now() / 1000 + 24 * 3600))
      assert.equal(upstreamAuthoritySubjectKeyId, '')
      assert.deepEqual(await show(), [first, next, undefined])
      assert.deepEqual(await published(), [first, next])
      assert.equal((await step('prepare')).authorityId, next)
      assert.equal((await step('activate', next)).authorityId, next)
      assert.deepEqual(await show(), [next, undefined, first])
      assert.equal((await step('taint', first)).authorityId, first)
      assert.deepEqual(await show(), [next, undefined, first])
      assert.deepEqual(await published(), [`${first}!`, next])
      assert.equal((await step('revoke', first)).authorityId, first)
      assert.deepEqual(await show(), [next, undefined, undefined])
      assert.deepEqual(await published(), [next])
      assert.deepEqual(
        audited.map((each) => each.event === 'changed' && [each.object, each.action, each.key]),
        [
          ['authority', 'prepare', next],
          ['authority', 'prepare', next],
          ['authority', 'activate', next],
          ['authority', 'taint', first],
          ['authority', 'revoke', first],
        ],
      )
    })

    test('of two operators who activate the same one at once, one does', async (t) => {
      const { step, show } = await openKind(t, kind)
      const [first] = await show()
      const { authorityId: next } = await step('prepare')
      const both = await Promise.allSettled([step('activate', next), step('activate', next)])
      assert.equal(both[0].status, 'fulfilled')
      assert(both[1].status === 'rejected')
      const { code, details } = both[1].reason as { code: number; details: string }
      assert.deepEqual([code, details], [status.INVALID_ARGUMENT, 'unexpected authority ID'])
      assert.deepEqual(await show(), [next, undefined, first])
    })

    test('what is not due is refused in SPIRE’s words, and changes nothing', async (t) => {
      const { step, show, published, audited, faults } = await openKind(t, kind)
      const [first = ''] = await show()
      const { authorityId: next } = await step('prepare')
      const before = [await show(), await published()]
      const unsupported = 'unsupported local authority status'
      const refusals = [
        ['activate', '', status.INVALID_ARGUMENT, 'no authority ID provided'],
        ['activate', 'x', status.INVALID_ARGUMENT, 'unexpected authority ID'],
        ['activate', first, status.INVALID_ARGUMENT, 'unexpected authority ID'],
        ['taint', '', status.INVALID_ARGUMENT, 'no authority ID provided'],
        ['taint', first, status.INVALID_ARGUMENT, 'unable to taint current local authority'],
        ['taint', 'x', status.INVALID_ARGUMENT, 'unexpected authority ID'],
        [
          'taint',
          next,
          status.INVALID_ARGUMENT,
          `only Old local authorities can be tainted: ${unsupported}: PREPARED`,
        ],
        ['revoke', '', status.INVALID_ARGUMENT, 'invalid authority ID: no authority ID provided'],
        [
          'revoke',
          first,
          status.INVALID_ARGUMENT,
          'invalid authority ID: unable to use current authority',
        ],
        [
          'revoke',
          next,
          status.INVALID_ARGUMENT,
          'invalid authority ID: only Old local authority can be revoked',
        ],
      ] as const
      for (const [what, id, code, details] of refusals)
        await assert.rejects(step(what, id), { code, details }, `${what} ${id}`)
      assert.deepEqual([await show(), await published()], before)
      assert.equal(audited.length, 1)
      assert.deepEqual(faults, [])
    })

    test('an old one is revoked only once it is tainted', async (t) => {
      const { step, show, published } = await openKind(t, kind)
      const [first = ''] = await show()
      const { authorityId: next } = await step('prepare')
      await step('activate', next)
      const before = await published()
      const [name, what] = kind.name === 'X509' ? ['X.509', 'root CA'] : ['JWT', 'key']
      await assert.rejects(step('revoke', first), {
        code: status.FAILED_PRECONDITION,
        details: `failed to revoke ${name} authority: it is not possible to revoke an untainted ${what}`,
      })
      assert.deepEqual(await published(), before)
      await step('taint', first)
      await step('revoke', first)
      assert.deepEqual(await published(), [next])
    })
  })

test('localauthority: WIT authorities are not offered, and there is nothing above an embedded one', async (t) => {
  const { call } = await createSetting(t)
  await assert.rejects(call(method.getWITAuthorityState, {}), { code: status.UNIMPLEMENTED })
  await assert.rejects(call(method.prepareWITAuthority, {}), { code: status.UNIMPLEMENTED })
  for (const each of [method.taintX509UpstreamAuthority, method.revokeX509UpstreamAuthority])
    await assert.rejects(call(each, { subjectKeyId: 'ab' }), {
      code: status.FAILED_PRECONDITION,
      details: 'upstream authority is not configured',
    })
})

test('localauthority: a server whose authority is closed is not ready for it', async (t) => {
  const { call, issuing, faults } = await createSetting(t)
  await issuing.x509.close()
  await assert.rejects(call(method.prepareX509Authority, {}), {
    code: status.UNAVAILABLE,
    details: /^failed to prepare X\.509 authority: .*closed/,
  })
  assert.deepEqual(faults, [])
})
