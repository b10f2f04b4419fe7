import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEnvoy } from '../../src/cli/demo/envoy.ts'
import { startChild } from '../../src/os/child.ts'
import { writeText } from '../../src/os/scratch.ts'
import { cli } from './rig/command.ts'
import { envoySelectors } from './rig/pair.ts'
import { activeListener, createRig, eventually, get } from './rig/rig.ts'

const DOMAIN = ['--trust-domain', 'example.org']
const WEB = 'spiffe://example.org/web'

/** What `spindle envoy config` may be told beside the ports: one of each line, in every combination. */
const CHOICES: readonly (readonly (readonly string[])[])[] = [
  [[], ['--variant', 'sotw'], ['--on-demand']],
  [
    [],
    ['--outbound', '9001', '--peer', '127.0.0.2:8443'],
    ['--outbound', '9001', '--peer', '[::1]:8443', '--allow-peer', WEB],
    ['--outbound', '9001', '--peer', 'peer.test:8443'],
  ],
  [[], ['--federated'], ['--federated', 'partner.test']],
  [[], ['--allow', WEB, 'spiffe://example.org/api']],
]

function combinations(choices: typeof CHOICES): readonly (readonly string[])[] {
  return choices.reduce<readonly (readonly string[])[]>(
    (before, choice) => before.flatMap((one) => choice.map((other) => [...one, ...other])),
    [[]],
  )
}

async function config(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await cli('envoy', 'config', '--service', 'web', ...DOMAIN, ...args)
  assert.equal(code, 0, err)
  return out
}

test('spindle envoy config: Envoy has nothing to say against any combination', async (t) => {
  const rig = createRig(t)
  const all = combinations(CHOICES)
  assert.equal(all.length, 72)
  const binary = rig.envoyBinary()
  const left = all.map((args, index) => ({ args, file: join(rig.folder, `${index}.yaml`) }))
  const validate = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { args, file } = next
      writeText(file, await config('--inbound', '8443', '--app', '8080', ...args))
      const quiet = ['--mode', 'validate', '--log-level', 'warning', '--disable-hot-restart']
      const envoy = await startChild(binary, [...quiet, '--config-path', file])
      const { code } = await envoy.ended
      assert.equal(code, 0, `${args.join(' ')}\n${envoy.output()}`)
      assert.match(envoy.output(), /configuration '.*' OK/)
      assert.doesNotMatch(envoy.output(), /\[(warning|error|critical)\]/, args.join(' '))
    }
  }
  await Promise.all([validate(), validate()])
})

test('spindle envoy config: two sidecars as printed speak mutual TLS, with those that are allowed', async (t) => {
  const rig = createRig(t)
  const [web, api] = [WEB, 'spiffe://example.org/api']
  const agent = await rig.agent({ entries: [{ spiffeId: web, selectors: envoySelectors(rig) }] })
  const start = async (name: string, ...args: readonly string[]) => {
    const common = ['--socket', agent.socket, '--inbound', '0', '--admin-port', '0']
    const envoy = await startEnvoy({
      binary: rig.envoyBinary(),
      config: await config(...common, ...args),
      folder: join(rig.folder, name),
      uid: undefined,
    })
    rig.atEnd(() => envoy.stop())
    return envoy
  }
  const appPort = `${await rig.app('OK')}`
  const server = await start('server', '--app', appPort, '--allow', web)
  const inbound = await activeListener(server, 'inbound')
  const calling = async (name: string, allowed: string) => {
    const peer = ['--outbound', '0', '--peer', `127.0.0.1:${inbound}`, '--allow-peer', allowed]
    const client = await start(name, '--app', appPort, ...peer)
    return { client, outbound: await activeListener(client, 'outbound') }
  }
  const { outbound } = await calling('client', web)
  const answer = await eventually('an answer', async () => {
    const { status, body } = await get(outbound)
    return status === 200 && body
  })
  assert.equal(answer, 'OK')
  // Of the agent's two Envoys nobody is the API, so one that reaches for the API alone is answered by no one.
  const strict = await calling('strict', api)
  await eventually('a refusal for its SPIFFE ID', async () => {
    assert.equal((await get(strict.outbound)).status, 503)
    return ((await strict.client.stat('cluster.peer.ssl.fail_verify_san')) ?? 0) > 0
  })
  assert.equal(await strict.client.stat('cluster.peer.ssl.handshake'), 0)
})
