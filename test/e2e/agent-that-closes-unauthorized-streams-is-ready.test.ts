import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRig } from './rig/rig.ts'

test('an agent with sds.unauthorized: close is live and ready: its own probe is not taken for a fault', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'] }],
    config: { sds: { unauthorized: 'close' } },
  })
  for (const page of ['live', 'ready']) {
    const answer = await fetch(`${agent.http}/${page}`)
    assert.equal(answer.status, 200, await answer.text())
  }
})
