import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openRemoteSupply } from '../../../../../src/agent/obtain/remote/open.ts'
import type { LinkOptions } from '../../../../../src/agent/obtain/server/settings.ts'
import { readAgentConfig } from '../../../../../src/config/agent-config.ts'
import type { RemoteConfig } from '../../../../../src/config/agent-config.ts'
import type { Registry } from '../../../../../src/registration/match.ts'
import { createFeed } from '../../../../../src/runtime/feed.ts'
import { createLog } from '../../../../../src/telemetry/log.ts'
import { createManualClock, settle } from '../../../../fakes/clock.ts'
import { temporaryFolder } from '../../../../fakes/folder.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { createFakeLink, serverEntry } from '../../../../fakes/server-link.ts'
import { report } from './setting.ts'

/** Opens and closes agents one after the other on the same folders. */
function setting(t: TestContext, cacheKind: string) {
  const folder = temporaryFolder(t)
  const [stateDir, cacheFolder] = [join(folder, 'state'), join(folder, 'cache')]
  for (const path of [stateDir, cacheFolder]) mkdirSync(path)
  const { config } = readAgentConfig(
    `trustDomain: example.org
stateDir: ${stateDir}
authority:
  kind: server
  address: "[::1]:8081"
  insecure: true
  attest: { kind: join-token, token: t }
  cache: ${cacheKind}
`,
    { file: '/etc/spindle/agent.yaml' },
  )
  const clock = createManualClock()
  const random = createSeededRandom('open')
  const log = createLog({ level: 'error', format: 'json', clock, stream: { write: () => true } })
  const seen: LinkOptions[] = []
  const run = async () => {
    const registry = createFeed<Registry | undefined>(undefined)
    const supply = await openRemoteSupply(config as RemoteConfig, {
      clock,
      random,
      log,
      version: '1',
      registry,
      cacheFolder: cacheKind === 'run' ? cacheFolder : stateDir,
      report: { ...report(), cacheEvent: (event) => assert.fail(event.kind) },
      async openLink(options) {
        seen.push(options)
        const link = await createFakeLink(clock, random)
        link.serve([serverEntry('web')])
        return link
      },
    })
    const remembered = seen.at(-1)?.remember({
      svid: undefined,
      served: undefined,
      resumeToken: Uint8Array.of(7),
      trust: { authorities: [], pinned: undefined },
    })
    supply.identities.acquire(registry.current!.entries[0]!)
    await settle()
    await supply.close()
    await remembered
    return supply.server
  }
  const files = () => [stateDir, cacheFolder].map((path) => readdirSync(path).toSorted())
  return { run, files, seen }
}

test('openRemoteSupply() keeps the identities apart from the rest, and hands the link what it remembered', async (t) => {
  const { run, files, seen } = setting(t, 'run')
  const server = await run()
  assert.equal(server.address, '[::1]:8081')
  assert.deepEqual(files(), [['cache.key', 'node.sealed'], ['identities.sealed']])
  await run()
  assert.equal(seen[0]?.memory, undefined)
  assert.deepEqual([...(seen[1]?.memory?.resumeToken ?? [])], [7])
})

test('openRemoteSupply() keeps all in one place, or nothing, where the configuration says so', async (t) => {
  const state = setting(t, 'state')
  await state.run()
  assert.deepEqual(state.files(), [['cache.key', 'identities.sealed', 'node.sealed'], []])
  const off = setting(t, 'off')
  assert.equal((await off.run()).cache, undefined)
  assert.deepEqual(off.files(), [[], []])
  await off.run()
  assert.equal(off.seen[1]?.memory, undefined)
})
