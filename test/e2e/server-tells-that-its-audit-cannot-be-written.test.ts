import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newToken } from './rig/joining.ts'
import { createRig, eventually } from './rig/rig.ts'

test('a server whose log cannot be written goes on, and its metrics say so', async (t) => {
  const rig = createRig(t)
  // Each write of the log fails as on a full disk.
  const through = ['sh', '-c', 'exec "$@" 2>/dev/full', 'sh']
  const server = await rig.server({ through, config: { log: { level: 'info', format: 'json' } } })
  const failures = async (): Promise<number> => {
    const text = await (await fetch(`${server.http}/metrics`)).text()
    return Number(/^spindle_server_log_failures_total (\d+)$/m.exec(text)?.[1])
  }
  const before = await failures()
  assert(before > 0, 'its first lines are lost')
  assert.notEqual(await newToken(server, 'web'), '')
  await eventually('the line of the audit is counted', async () => (await failures()) > before)
})
