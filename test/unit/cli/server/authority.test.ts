import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masked, startOperator } from './setting.ts'

const STATE = {
  x509: '  Authority ID: KEY\n  Expires at: INSTANT\n',
  jwt: '  Authority ID: KID\n  Expires at: INSTANT\n',
}

for (const [kind, name, upstream] of [
  ['x509', 'X.509', '  Upstream authority ID: No upstream authority\n'],
  ['jwt', 'JWT', ''],
] as const)
  test(`localauthority ${kind} walks its steps and prints what SPIRE does`, async (t) => {
    const { spindle, out } = await startOperator(t)
    const state = STATE[kind]
    const step = async (words: string): Promise<string> =>
      masked(await out(`localauthority ${kind} ${words}`))
    const slots = async () =>
      JSON.parse(await out(`localauthority ${kind} show -output json`)) as Record<
        string,
        { authority_id: string } | undefined
      >
    assert.equal(
      await step('show'),
      `Active ${name} authority:\n${state}${upstream}\nPrepared ${name} authority:\n  No prepared ${name} authority found\n\nOld ${name} authority:\n  No old ${name} authority found\n`,
    )
    assert.equal(await step('prepare'), `Prepared ${name} authority:\n${state}`)
    const { prepared, active } = await slots()
    const [next, before] = [prepared?.authority_id, active?.authority_id]
    const refused = await spindle(`localauthority ${kind} taint -authorityID ${before}`)
    assert.equal(refused.code, 1)
    assert.match(refused.err, /^spindle: .+\n.+ \((?:request_invalid|precondition_failed)\)\n$/)
    assert.equal(
      await step(`activate -authorityID ${next}`),
      `Activated ${name} authority:\n${state}`,
    )
    assert.equal((await slots())['old']?.authority_id, before)
    assert.equal(await step(`taint -authorityID ${before}`), `Tainted ${name} authority:\n${state}`)
    assert.equal(
      await step(`revoke -authorityID ${before}`),
      `Revoked ${name} authority:\n${state}`,
    )
    assert.equal((await slots())['active']?.authority_id, next)
    assert.equal((await spindle(`localauthority ${kind} revoke`)).code, 2)
  })

test('upstreamauthority says when there is none above', async (t) => {
  const { spindle } = await startOperator(t)
  for (const step of ['taint', 'revoke']) {
    const { code, err } = await spindle(`upstreamauthority ${step} -subjectKeyID abc`)
    assert.equal(code, 1)
    assert.match(
      err,
      /^spindle: upstream authority is not configured\n.+\(precondition_failed\)\n$/,
    )
  }
})

test('authority rotate prints a line for each step, and JSON a document for each', async (t) => {
  const { out } = await startOperator(t)
  assert.equal(
    masked(await out('authority rotate')),
    `prepare: the next authority is being made; old KEY; 0 of 0 agents ready
activate: the next authority is in the bundle; new KEY; old KEY; 0 of 0 agents ready
taint: the new authority signs; new KEY; old KEY; 0 of 0 agents ready
revoke: what the old authority signed is being replaced; new KEY; old KEY; 0 of 0 agents ready
done: only the new authority is trusted; new KEY
`,
  )
  const json = (await out('authority rotate --jwt --force -o json')).trim().split('\n')
  const steps = json.map((line) => (JSON.parse(line) as { step: string }).step)
  assert.deepEqual(steps.at(-1), 'ROTATE_STEP_DONE')
})

test('authority rotate ends with 1 and says why, where somebody would be harmed', async (t) => {
  const { attest, spindle } = await startOperator(t)
  await attest()
  const { code, out, err } = await spindle('authority rotate --wait 1s')
  assert.equal(code, 1)
  assert.match(
    out,
    /; 1 agent away; waits for .+\n {2}away: spiffe:\/\/example\.org\/spire\/agent\//,
  )
  assert.match(err, /^spindle: .+\n.+\(precondition_failed\)\n$/)
})
