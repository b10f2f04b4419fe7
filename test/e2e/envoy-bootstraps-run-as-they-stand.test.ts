import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { DEFAULT_AGENT_SOCKET } from '../../src/cli/options.ts'
import { startChild } from '../../src/os/child.ts'
import { envoySelectors, startPair } from './rig/pair.ts'
import type { Template } from './rig/rig.ts'
import { createRig, get } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'

const folder = join(ROOT, 'envoy')
const templates = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.slice(0, -'.yaml'.length) as Template)

test('there are bootstraps for Delta, state of the world, federation and on demand', () => {
  assert.deepEqual(templates.toSorted(), [
    'sidecar-delta',
    'sidecar-federated',
    'sidecar-on-demand',
    'sidecar-sotw',
  ])
})

for (const template of templates) {
  test(`envoy/${template}.yaml: Envoy has nothing to say against it`, async (t) => {
    const rig = createRig(t)
    const quiet = ['--log-level', 'warning', '--use-dynamic-base-id']
    const config = ['--config-path', join(folder, `${template}.yaml`)]
    const envoy = await startChild(rig.envoyBinary(), ['--mode', 'validate', ...quiet, ...config])
    const { code } = await envoy.ended
    assert.equal(code, 0, envoy.output())
    assert.match(envoy.output(), /configuration '.*' OK/)
    assert.doesNotMatch(envoy.output(), /\[(warning|error|critical)\]/)
  })

  test(`envoy/${template}.yaml: two of them speak mutual TLS`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
    })
    const { server, client, inbound, outbound } = await startPair(rig, agent, { template })
    assert.deepEqual(await get(outbound), { status: 200, body: 'OK' })
    await assert.rejects(get(inbound), 'who speaks no TLS is not served')
    assert.notEqual(await server.stat('listener.127.0.0.1_0.ssl.handshake'), 0)
    const bundle = template === 'sidecar-federated' ? 'ALL' : 'ROOTCA'
    for (const name of ['default', bundle])
      for (const envoy of [server, client])
        assert.equal(await envoy.stat(`sds.${name}.update_rejected`), 0, name)
    const [held] = await agent.sidecars()
    const expected = template === 'sidecar-sotw' ? 'sotw' : 'delta'
    assert(held !== undefined && held.secrets.length > 0)
    for (const secret of held.secrets) assert.equal(secret.variant, expected)
  })
}

test('the bootstraps name the default socket of the agent', () => {
  for (const template of templates) {
    const config = parse(readFileSync(join(folder, `${template}.yaml`), 'utf8'))
    assert(JSON.stringify(config).includes(`"path":"${DEFAULT_AGENT_SOCKET}"`), template)
  }
})
