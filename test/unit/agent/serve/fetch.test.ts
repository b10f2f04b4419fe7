import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type { Client, FetchCall } from '../../../../src/agent/serve/fetch.ts'
import { fetchWhatIsThere } from '../../../../src/agent/serve/fetch.ts'
import { SECRET_TYPE_URL } from '../../../../src/xds/resource.ts'
import { settle } from '../../../fakes/clock.ts'
import { entry } from '../obtain/setting.ts'
import { setUp } from './setting.ts'

const fakeClient = (): Client & EventEmitter & { cancelled: boolean } =>
  Object.assign(new EventEmitter(), { cancelled: false }) as never

const WEB = entry('web')
const HASHED = entry('hashed')

function fetching(change: { readonly unauthorized?: 'wait' | 'close' } = {}) {
  const setting = setUp()
  const { clock, caller, sds } = setting
  const sidecar = sds.sidecarOf(caller)
  const options = {
    clock,
    nonce: () => 'n',
    namesPerStream: 4,
    unauthorized: 'wait',
    ...change,
  } as const
  const ask = (
    names: readonly string[],
    more: Partial<FetchCall> = {},
  ): Promise<readonly string[]> =>
    fetchWhatIsThere(
      {
        request: { names, typeUrl: SECRET_TYPE_URL, versionInfo: '', responseNonce: '' },
        sidecar,
        view: sidecar.view('trusted-ca'),
        deadline: Infinity,
        client: fakeClient(),
        ...more,
      },
      options,
    ).then(({ resources }) => resources.map(({ name }) => name))
  return { ...setting, sidecar, ask }
}

test('FetchSecrets gives what is decided at once, while other selectors cannot be looked up', async () => {
  const { caller, identities, ask, clock } = fetching()
  identities.set(WEB, 'one')
  caller.mayMatch([WEB], [WEB, HASHED])
  assert.deepEqual(await ask(['default', 'ROOTCA']), ['default', 'ROOTCA'])
  assert.equal(clock.pending, 0)
  // Everything, and a name that is undecided, wait; then the answer is what there is.
  const everything = ask([])
  const mixed = ask(['default', HASHED.spiffeId])
  const undecided = ask([HASHED.spiffeId])
  undecided.catch(() => undefined)
  await clock.advance(5_000)
  assert.deepEqual(await everything, ['spiffe://example.org', WEB.spiffeId])
  assert.deepEqual(await mixed, ['default'])
  await assert.rejects(undecided, { code: 'not_ready' })
})

test('FetchSecrets waits for the caller to be attested and for its certificate', async () => {
  const { caller, identities, ask } = fetching()
  const answer = ask(['default'])
  await settle()
  caller.matches(WEB)
  await settle()
  identities.set(WEB, 'one')
  assert.deepEqual(await answer, ['default'])
})

test('FetchSecrets answers before its client gives up, and by its own deadline otherwise', async () => {
  const { caller, clock, ask } = fetching()
  const answers: string[] = []
  const note = (what: string) => (thrown: { code: string }) =>
    answers.push(`${what} ${thrown.code}`)
  ask(['a'], { deadline: clock.now() + 1_000 }).catch(note('hasty'))
  ask(['a']).catch(note('patient'))
  await clock.advance(749)
  assert.deepEqual(answers, [])
  await clock.advance(1)
  assert.deepEqual(answers, ['hasty not_ready'])
  await clock.advance(4_250)
  assert.deepEqual(answers, ['hasty not_ready', 'patient not_ready'])
  caller.matches()
  await assert.rejects(ask(['a']), { code: 'not_found' })
})

test('FetchSecrets looks at the process again before it answers', async () => {
  const { caller, identities, ask } = fetching()
  caller.matches(WEB)
  const answer = ask(['default'])
  await settle()
  // By the time the certificate is there the process runs another program.
  caller.onCheck = () => caller.isUndecided('another program')
  identities.set(WEB, 'one')
  await settle()
  caller.onCheck = () => undefined
  caller.matches()
  await assert.rejects(answer, { code: 'not_found' })
  caller.sound = false
  await assert.rejects(ask(['default']), { code: 'peer_gone' })
})

test('FetchSecrets of a client that has gone leaves nothing behind', async () => {
  const { clock, sidecar, ask } = fetching()
  const gone = fakeClient()
  const answer = ask(['default'], { client: gone })
  await settle()
  assert.equal(sidecar.followers.size, 1)
  gone.cancelled = true
  gone.emit('cancelled')
  await assert.rejects(answer, { code: 'not_ready' })
  assert.equal(sidecar.followers.size, 0)
  assert.equal(clock.pending, 0)
})

test('FetchSecrets refuses too many names and another type before it waits', async () => {
  const { clock, ask } = fetching()
  await assert.rejects(ask(['a', 'b', 'c', 'd', 'e']), { code: 'limit_reached' })
  assert.equal(clock.pending, 0)
})

test('FetchSecrets with unauthorized: close refuses what is known not to be granted', async () => {
  const { caller, ask } = fetching({ unauthorized: 'close' })
  caller.matches(WEB)
  await assert.rejects(ask(['other', 'ROOTCA']), { code: 'request_invalid' })
  assert.deepEqual(await ask(['ROOTCA']), ['ROOTCA'])
})
