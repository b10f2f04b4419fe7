import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import { serverVerdicts } from '../../../../src/cli/doctor/server.ts'
import type { RunningAgent, Setting } from '../../../../src/cli/doctor/setting.ts'
import { ServerLinkSchema } from '../../../../src/gen/spindle/admin/v1/admin_pb.js'
import { createManualClock } from '../../../fakes/clock.ts'

const clock = createManualClock()

async function setting(
  t: TestContext,
  isUp: boolean,
  link?: MessageInitShape<typeof ServerLinkSchema>,
) {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  if (isUp) t.after(() => server.close())
  else await new Promise((resolve) => server.close(resolve))
  return {
    config: { authority: { kind: 'server', address: { host: '127.0.0.1', port } } },
    running: link && ({ status: { server: create(ServerLinkSchema, link) } } as RunningAgent),
    clock,
  } as unknown as Setting
}

const told = async (from: Setting): Promise<readonly string[]> =>
  (await serverVerdicts(from)).map(({ check, level, detail }) => `${level} ${check}: ${detail}`)

test('serverVerdicts() says whether the server can be called', async (t) => {
  assert.deepEqual(await told(await setting(t, true)), ['ok server: answers from here'])
  assert.deepEqual(await told(await setting(t, false)), [
    'fail server: cannot be reached: ECONNREFUSED',
  ])
})

test('serverVerdicts() says what a running agent has of its server', async (t) => {
  const agentId = 'spiffe://example.org/spire/agent/join_token/a'
  const svidExpiresAt = timestampFromMs(clock.now() + 3_600_000)
  const good = { agentId, svidExpiresAt, bootstrap: 'verified', cache: 'kept' }
  assert.deepEqual((await told(await setting(t, true, good))).slice(1), [
    `ok node: ${agentId}, whose X.509-SVID ends in 1h`,
  ])
  const fault = 'the agent is not attested: the token is not known'
  const bad = { fault, bootstrap: 'unverified', cache: 'no space left' }
  assert.deepEqual((await told(await setting(t, true, bad))).slice(1), [
    'fail node: is not attested: the token is not known',
    'warn bootstrap: the server is trusted because it was the first to be seen',
    'warn cache: no space left',
  ])
})
