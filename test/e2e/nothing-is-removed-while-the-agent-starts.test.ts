import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { testSelectors } from './rig/pair.ts'
import { createRig } from './rig/rig.ts'
import type { SdsStreamClient } from './rig/sds-client.ts'
import { createSdsClient } from './rig/sds-client.ts'

const STREAMS = 50
const NOBODY = 'spiffe://example.org/nobody'

/** Opens a stream a name before there is a socket to connect to, and waits for each to have been told something. */
async function firstAnswers(
  socket: string,
  names: readonly string[],
  end: (close: () => void) => void,
): Promise<readonly SdsStreamClient[]> {
  const client = createSdsClient(socket)
  end(() => client.close())
  const streams = names.map((name) => {
    const stream = client.delta()
    stream.subscribe(name)
    return stream
  })
  await Promise.all(streams.map((stream) => stream.next()))
  return streams
}

test(`${STREAMS} Delta streams that wait for a starting agent hear of no removal`, async (t) => {
  const rig = createRig(t)
  // Nothing is known of the caller before a hundred megabytes are read: long enough to say something wrong.
  const digest = createHash('sha256').update(readFileSync(process.execPath)).digest('hex')
  const names = Array.from({ length: STREAMS - 1 }, (_, index) => `spiffe://example.org/w/${index}`)
  const entries = names.map((spiffeId, index) => ({
    spiffeId,
    selectors: [...testSelectors(), ...(index % 2 === 0 ? [`unix:sha256:${digest}`] : [])],
  }))
  let agent = await rig.agent({ entries })
  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
    agent.child.signal(signal)
    await agent.child.ended
    agent.admin.close()
    const answers = firstAnswers(agent.socket, [...names, 'ROOTCA', NOBODY], rig.atEnd)
    const started = await agent.restart()
    rig.atEnd(() => started.stop())
    agent = started
    const streams = await answers
    const nobody = streams.at(-1)
    assert.deepEqual(nobody?.received[0]?.removed, [NOBODY], 'a removal is seen where it is due')
    for (const { received, ended } of streams.slice(0, -1)) {
      assert.equal(ended, undefined)
      assert.deepEqual(
        received.map(({ removed, secrets }) => [removed, secrets.length]),
        [[[], 1]],
      )
    }
  }
})
