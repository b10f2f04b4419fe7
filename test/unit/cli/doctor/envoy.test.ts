import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { envoyVerdicts } from '../../../../src/cli/doctor/envoy.ts'
import type { Setting } from '../../../../src/cli/doctor/setting.ts'
import type { AgentConfig } from '../../../../src/config/agent-config.ts'
import type { Entry } from '../../../../src/registration/entry.ts'
import type { Registry } from '../../../../src/registration/match.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'

const FILE = join(import.meta.dirname, '../../../../envoy/sidecar-delta.yaml')
const NOBODY: Setting = {
  config: undefined,
  registry: undefined,
  running: undefined,
  libc: undefined,
  uid: 0,
  clock: systemClock,
}

const told = async (file: string, setting: Setting): Promise<readonly string[]> =>
  (await envoyVerdicts(file, setting))
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, where }) => `${level} ${check} ${where}`)

test('envoyVerdicts of a recommended configuration has an ok for every check, and tries the socket', async () => {
  const verdicts = await envoyVerdicts(FILE, NOBODY)
  const oks = verdicts.filter(({ level }) => level === 'ok').map(({ check }) => check)
  for (const check of ['backoff', 'validation', 'http2', 'names', 'connection-age'])
    assert(oks.includes(`envoy: ${check}`), check)
  assert.deepEqual(await told(FILE, NOBODY), ['warn envoy: socket /run/spindle/agent.sock'])
})

test('envoyVerdicts reads JSON too, and says what cannot be read', async (t) => {
  const folder = temporaryFolder(t)
  const json = writeIn(folder, 'e.json', JSON.stringify(parse(readFileSync(FILE, 'utf8'))))
  assert.deepEqual(await told(json, NOBODY), await told(FILE, NOBODY))
  const broken = writeIn(folder, 'broken.yaml', 'a: [1')
  assert.deepEqual(await told(broken, NOBODY), [`fail envoy ${broken}`])
  const none = join(folder, 'none.yaml')
  assert.deepEqual(await told(none, NOBODY), [`fail envoy ${none}`])
  const other = writeIn(folder, 'other.yaml', 'static_resources: {}\n')
  assert.deepEqual(await told(other, NOBODY), ['fail envoy: secrets static_resources'])
})

test('envoyVerdicts knows the socket, the names, the aliases and the hints of the agent', async (t) => {
  const names = { svid: 'mine', bundle: 'ROOTCA', allBundles: 'ALL' }
  const sds = { names, aliases: { alias: 'spiffe://example.org/a' }, validator: 'spiffe' }
  const config = { socket: '/run/other.sock', sds } as unknown as AgentConfig
  const registry = { entries: [{ hint: 'hint' }, { hint: '' }] as Entry[] } as unknown as Registry
  const setting = { ...NOBODY, config, registry }
  const path = 'static_resources.listeners[0].filter_chains[0].transport_socket.typed_config'
  const found = await told(FILE, setting)
  assert(found.some((text) => text.startsWith('fail envoy: agent-cluster ')))
  assert(
    found.some((text) => text.startsWith(`warn envoy: names ${path}`)),
    'default has no meaning',
  )
  const folder = temporaryFolder(t)
  for (const name of ['mine', 'alias', 'hint']) {
    const text = stringify(
      parse(readFileSync(FILE, 'utf8').replaceAll('name: default', `name: ${name}`)),
    )
    const named = await told(writeIn(folder, `${name}.yaml`, text), setting)
    assert.deepEqual(
      named.filter((each) => each.includes('names')),
      [],
      name,
    )
  }
})
