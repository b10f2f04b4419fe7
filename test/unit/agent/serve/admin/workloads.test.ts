import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeWorkload } from '../../../../../src/agent/serve/admin/workloads.ts'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { settle } from '../../../../fakes/clock.ts'
import { entry } from '../../obtain/setting.ts'
import { setUp } from '../workload/setting.ts'

const WEB = entry('web')

function uses(setting: ReturnType<typeof setUp>) {
  const { caller, workload } = setting
  return describeWorkload(caller, workload.uses.get(caller) ?? new Map()).uses.map(
    ({ method, state, answers, why }) => [method, state, answers, why],
  )
}

test('a connection that uses the Workload API is told with its process, its identities and what it was told', () => {
  const setting = setUp()
  const { caller, identities, open, workload, clock } = setting
  caller.matches(WEB)
  const end = clock.now() + 60_000
  identities.set(WEB, 'one', end)
  open('FetchX509SVID')
  const told = describeWorkload(caller, workload.uses.get(caller)!)
  assert.deepEqual(
    [told.pid, told.uid, told.executable, told.spiffeIds, told.connectionId],
    [7, 1001, '/usr/bin/envoy', [WEB.spiffeId], 'fake:1'],
  )
  const [use] = told.uses
  assert.deepEqual([use?.method, use?.state, use?.answers], ['FetchX509SVID', 'sent', 1])
  assert.equal(use?.version.length, 64)
  assert.equal(timestampMs(use.expiresAt!), end)
  assert.equal(timestampMs(use.sentAt!), clock.now())
})

test('what a stream waits for is told, and that a client does not read', async () => {
  const setting = setUp()
  const { caller, identities, open } = setting
  const call = open('FetchX509SVID')
  assert.deepEqual(uses(setting), [['FetchX509SVID', 'pending', 0, 'the caller is being attested']])
  caller.matches(WEB)
  await settle()
  const issuing = `the X.509-SVID of ${WEB.spiffeId} is being issued`
  assert.deepEqual(uses(setting), [['FetchX509SVID', 'pending', 0, issuing]])
  identities.fail(WEB, 'the CA is away')
  const failed = 'the X.509-SVID could not be issued yet: the CA is away'
  assert.deepEqual(uses(setting), [['FetchX509SVID', 'pending', 0, failed]])
  call.blocked = true
  identities.set(WEB, 'one')
  await settle()
  assert.deepEqual(uses(setting), [['FetchX509SVID', 'behind', 1, '']])
  identities.set(WEB, 'two')
  await settle()
  const unread = 'it has not read the message before'
  assert.deepEqual(uses(setting), [['FetchX509SVID', 'behind', 1, unread]])
  call.blocked = false
  call.flush()
  await settle()
  assert.deepEqual(uses(setting), [['FetchX509SVID', 'sent', 2, '']])
  call.cancel()
  assert.deepEqual(uses(setting), [['FetchX509SVID', 'answered', 2, '']])
})

test('of a method without a stream the last call is told: answered, refused, or left', async () => {
  const setting = setUp()
  const { caller, open, fetchJwt, workload } = setting
  open('FetchX509Bundles').cancel()
  caller.matches()
  open('FetchX509SVID')
  caller.matches(WEB)
  await fetchJwt(['a'])
  await fetchJwt(['b'])
  const denied = 'no entry matches the calling process'
  assert.deepEqual(uses(setting), [
    ['FetchX509Bundles', 'closed', 0, ''],
    ['FetchX509SVID', 'refused', 0, denied],
    ['FetchJWTSVID', 'answered', 2, ''],
  ])
  caller.connection.destroy('over')
  assert.equal(workload.uses.size, 0)
})

test('a rotation can wait until every message has left', async () => {
  const { caller, identities, open, workload } = setUp()
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const call = open('FetchX509SVID')
  let heard = 0
  const stop = workload.onProgress(() => void heard++)
  assert.equal(workload.unsettled, 0)
  identities.set(WEB, 'two')
  assert.equal(workload.unsettled, 1, 'it is to be told')
  call.blocked = true
  await settle()
  assert.equal(workload.unsettled, 1, 'it has not left')
  const before = heard
  call.blocked = false
  call.flush()
  await settle()
  assert.equal(workload.unsettled, 0)
  assert(heard > before, 'and who waits hears of it')
  stop()
})
