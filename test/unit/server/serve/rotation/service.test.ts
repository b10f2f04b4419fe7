import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { status } from '../../../../../src/runtime/grpc-status.ts'
import { createOperatorCa } from '../../../../fakes/operator-ca.ts'
import { temporaryFolder, writeIn } from '../../../../fakes/folder.ts'
import { A, B, createSetting, failure, JWT, RotateStep, stepsOf } from './setting.ts'

const ALL = ['PREPARE', 'ACTIVATE', 'TAINT', 'REVOKE', 'DONE']

test('Rotate: with nobody to harm it goes straight from the one authority to the next', async (t) => {
  const { rotate, reach, slots, active, audited } = await createSetting(t)
  const first = active()
  const call = rotate()
  const last = await reach(call, () => false)
  assert.deepEqual(stepsOf(call), ALL)
  assert(call.ended)
  assert.notEqual(active(), first)
  assert.deepEqual(slots(), [`active ${active()}`])
  assert.deepEqual([last?.newAuthorityId, last?.oldAuthorityIds], [active(), []])
  assert.deepEqual(
    audited.map((each) => each.event === 'changed' && [each.action, each.method, each.caller.kind]),
    ['prepare', 'activate', 'taint', 'revoke'].map((action) => [
      action,
      '/spindle.server.v1.AuthorityRotation/Rotate',
      'local',
    ]),
  )
})

test('Rotate: the next one signs when the slow agent has the bundle too, and the old one is revoked when nobody needs it', async (t) => {
  const { rotate, reach, slots, active, fleet, sequence, attest } = await createSetting(t)
  const first = active()
  for (const agent of [A, B]) {
    await attest(agent)
    fleet.connect(agent)
    fleet.says(agent, { sequence: sequence(), x509: [first] })
  }
  const call = rotate()
  const waiting = await reach(call, (last) => last?.step === RotateStep.ACTIVATE)
  assert.deepEqual(
    [waiting?.connectedAgents, waiting?.readyAgents, waiting?.behind],
    [2, 0, [A, B]],
  )
  fleet.says(A, { sequence: sequence() })
  const half = await reach(call, (last) => last?.readyAgents === 1)
  assert.deepEqual(half?.behind, [B])
  assert.match(half?.waitsFor ?? '', /^1 connected agent to apply the new bundle: .*\/b$/)
  assert.equal(active(), first)
  fleet.says(B, { sequence: sequence() })
  await reach(call, (last) => last?.step === RotateStep.REVOKE)
  const next = active()
  assert.deepEqual(slots(), [`tainted ${first}`, `active ${next}`])
  fleet.says(A, { sequence: sequence(), x509: [next] })
  fleet.says(B, { sequence: sequence(), x509: [first, next] })
  const almost = await reach(
    call,
    (last) => last?.step === RotateStep.REVOKE && last.readyAgents === 1,
  )
  assert.deepEqual([almost?.behind, almost?.oldAuthorityIds], [[B], [first]])
  assert.deepEqual(slots(), [`tainted ${first}`, `active ${next}`])
  fleet.says(B, { x509: [next] })
  await reach(call, () => false)
  assert.deepEqual(slots(), [`active ${next}`])
  assert.deepEqual(stepsOf(call), ALL)
})

test('Rotate: an agent that is away is waited for, told of, and left behind only where that is said', async (t) => {
  const { rotate, reach, slots, active, fleet, sequence, attest } = await createSetting(t)
  const first = active()
  await attest(A)
  await attest(B)
  fleet.connect(A)
  fleet.says(A, { sequence: 1000 })
  const call = rotate({ waitSeconds: 5 })
  const last = await reach(call, () => false)
  assert.deepEqual([last?.awayAgents, last?.away, last?.readyAgents], [1, [B], 1])
  const [code, details] = failure(call) ?? []
  assert.equal(code, status.FAILED_PRECONDITION)
  assert.match(String(details), /waits for 1 agent not connected to any server: .*\/b/)
  assert.equal(active(), first)
  const again = rotate({ allowAway: true })
  await reach(again, () => false)
  assert.deepEqual(stepsOf(again), ALL.slice(1))
  assert.equal(slots().length, 1)
  assert(sequence() > 1)
})

test('Rotate: a banned agent and one whose SVID has ended are not waited for, and one that ends is no longer', async (t) => {
  const { rotate, reach, attest, store, clock } = await createSetting(t)
  await attest(A, 3_000)
  await attest(B)
  await store.agents.change(B, (agent) => agent && { ...agent, banned: true })
  const call = rotate()
  const waiting = await reach(call, (last) => last?.step === RotateStep.ACTIVATE)
  assert.deepEqual(waiting?.away, [A])
  await clock.advance(3_000)
  await reach(call, () => false)
  assert(call.ended)
})

test('Rotate: what ends early is gone on with from where it stands, also by another server process', async (t) => {
  const { rotate, reach, restart, slots, active, fleet, attest } = await createSetting(t)
  const first = active()
  await attest(A)
  fleet.connect(A)
  const left = rotate()
  await reach(left, (last) => last?.step === RotateStep.ACTIVATE)
  left.cancel()
  const [, prepared] = slots()
  fleet.says(A, { sequence: 1000, x509: [first] })
  const again = rotate()
  await reach(again, (last) => last?.step === RotateStep.REVOKE)
  assert.equal(`prepared ${active()}`, prepared)
  again.cancel()
  assert.deepEqual(slots(), [`tainted ${first}`, `active ${active()}`])
  restart()
  fleet.says(A, { x509: [] })
  const last = rotate()
  await reach(last, () => false)
  assert.deepEqual(stepsOf(last), ['REVOKE', 'DONE'])
  assert.deepEqual(slots(), [prepared?.replace('prepared', 'active')])
})

test('Rotate: --force waits for nobody', async (t) => {
  const { rotate, reach, slots, attest, fleet, active } = await createSetting(t)
  await attest(A)
  await attest(B)
  fleet.connect(A)
  fleet.says(A, { x509: [active()] })
  const call = rotate({ force: true })
  const last = await reach(call, () => false)
  assert.deepEqual(stepsOf(call), ALL)
  assert.equal(slots().length, 1)
  assert.equal(last?.awayAgents, 1)
})

test('Rotate: tokens, and what operators minted, are waited for until they end', async (t) => {
  const { rotate, reach, active, unseen, clock } = await createSetting(t)
  const jwt = rotate({ kind: JWT })
  const waiting = await reach(jwt, (last) => last?.step === RotateStep.REVOKE)
  assert.match(waiting?.waitsFor ?? '', /^tokens to end, at /)
  await clock.advance(5 * 60_000)
  await reach(jwt, () => false)
  assert(jwt.ended)

  const issued = { event: 'issued', caller: { kind: 'local', uid: 0, pid: 1 }, method: '' } as const
  const spiffeId = 'spiffe://example.org/minted'
  const expiresAt = clock.now() + 3_600_000
  const about = { ...issued, issued: 'x509-svid', spiffeId, expiresAt } as const
  unseen.hear({ ...about, authorityId: active() })
  unseen.hear({ ...about, authorityId: active(), entryId: 'of an agent', expiresAt: 2 ** 50 })
  const x509 = rotate({ waitSeconds: 1 })
  await reach(x509, () => false)
  const [code, details] = failure(x509) ?? []
  assert.equal(code, status.FAILED_PRECONDITION)
  assert.match(String(details), new RegExp(`to end, at ${new Date(expiresAt).toISOString()}`))
})

test('Rotate: with a CA above, all is done when the new intermediate signs', async (t) => {
  const { rotate, reach, slots, active, bundle } = await createSetting(t, await underOperator(t))
  const before = await bundle()
  const first = active()
  const call = rotate()
  const last = await reach(call, () => false)
  assert.deepEqual(stepsOf(call), ['PREPARE', 'ACTIVATE', 'DONE'])
  assert.deepEqual(last?.oldAuthorityIds, [])
  assert.deepEqual(slots(), [`old ${first}`, `active ${active()}`])
  assert.deepEqual((await bundle()).x509Authorities, before.x509Authorities)
})

test('Rotate: one at a time, of a kind that is named, while the server runs', async (t) => {
  const { rotate, reach, endStreams, attest } = await createSetting(t)
  await attest(A)
  const first = rotate()
  await reach(first, (last) => last?.step === RotateStep.ACTIVATE)
  const second = rotate()
  await reach(second, () => false)
  assert.deepEqual(failure(second), [status.ABORTED, 'another call rotates this authority'])
  const unnamed = rotate({ kind: 0 })
  await reach(unnamed, () => false)
  assert.equal(failure(unnamed)?.[0], status.INVALID_ARGUMENT)
  endStreams('it stops')
  await reach(first, () => false)
  assert.deepEqual(failure(first), [status.UNAVAILABLE, 'not_ready: it stops'])
  const late = rotate({ kind: JWT })
  await reach(late, () => false)
  assert.equal(failure(late)?.[0], status.UNAVAILABLE)
})

async function underOperator(t: TestContext): Promise<string> {
  const life = { notBefore: Date.UTC(2029, 0, 1), notAfter: Date.UTC(2049, 0, 1) }
  const { certPem, keyPem } = await createOperatorCa({ name: 'operator', ...life })
  const folder = temporaryFolder(t)
  const certFile = writeIn(folder, 'ca.pem', certPem)
  const keyFile = writeIn(folder, 'key.pem', keyPem)
  chmodSync(keyFile, 0o600)
  return `authority: { kind: disk, certFile: ${certFile}, keyFile: ${keyFile} }\n`
}
