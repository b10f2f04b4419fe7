import assert from 'node:assert/strict'
import { existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { GetStatusResponse } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { createOperatorCa } from '../fakes/operator-ca.ts'
import type { Agent } from './rig/agent.ts'
import { spindle } from './rig/command.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsCaller, serialOf } from './rig/sds-caller.ts'

const entriesOf = (names: readonly string[], federatesWith: readonly string[] = []): string =>
  stringify({
    entries: names.map((name) => ({
      spiffeId: `spiffe://example.org/${name}`,
      selectors: [`unix:uid:${process.getuid?.()}`],
      federatesWith,
    })),
  })
const PARTNER = ['partner.test']
/** Two faults. */
const BAD_ENTRIES = stringify({
  entries: [
    { spiffeId: 'spiffe://other.test/web', selectors: ['unix:uid:1'] },
    { spiffeId: 'spiffe://example.org/web', selectors: ['unix'] },
  ],
})
const YEAR_MS = 365 * 86_400_000
/** Versions that no event tells of. A look every 2 s would find the last of them after 18 s at the earliest. */
const UNTOLD = Array.from({ length: 10 }, (_, index) => 4 + index)

async function partnerCa(name: string): Promise<string> {
  const now = Date.now()
  const ca = await createOperatorCa({ name, notBefore: now - 60_000, notAfter: now + YEAR_MS })
  return ca.certPem
}

const status = (agent: Agent): Promise<GetStatusResponse> =>
  agent.admin.call(AdminService.method.getStatus, {}, { deadlineMs: 20_000 })
/** undefined while there is none. */
const faultOf = async (agent: Agent, source: string): Promise<string | undefined> =>
  (await status(agent)).sources.find(({ name }) => name === source)?.fault || undefined

test('a bad edit of a watched file keeps the last good one in force and is said everywhere', async (t) => {
  const rig = createRig(t)
  const files = join(rig.folder, 'files')
  mkdirSync(files)
  const entries = join(files, 'entries.yaml')
  const partner = join(files, 'partner.pem')
  writeFileSync(entries, entriesOf(['web'], PARTNER))
  writeFileSync(partner, await partnerCa('partner one'))
  const agent = await rig.agent({
    config: {
      entries: { file: entries },
      bundles: { 'partner.test': { file: partner } },
      log: { level: 'info', format: 'json' },
    },
  })
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const stream = caller.delta()
  stream.acknowledge()
  stream.say({ resourceNamesSubscribe: ['default'] })
  const first = serialOf(await stream.next())
  const names = async (): Promise<readonly string[]> => {
    const { secrets } = await caller.fetch([])
    return secrets
      .map(({ name }) => name)
      .filter((name) => name.startsWith('spiffe://example.org/'))
  }
  const comesInForce = (...wanted: string[]): Promise<true> =>
    eventually(`entries ${wanted.join(', ')}`, async () => {
      const ids = wanted.map((name) => `spiffe://example.org/${name}`)
      return (await names()).join() === ids.join()
    })

  await t.test(
    'entries: secrets go on, and the fault is in status, metric, log and health',
    async () => {
      writeFileSync(entries, BAD_ENTRIES)
      const fault = await eventually('the fault is shown', () => faultOf(agent, 'entries'))
      for (const place of ['entries[0].spiffeId', 'entries[1].selectors[0]'])
        assert(fault.includes(place), fault)
      assert.equal(await agent.metric('spindle_agent_reload_ok{source="entries"}'), 0)
      const failed = 'spindle_agent_reloads_total{source="entries",result="failed"}'
      assert.equal(await agent.metric(failed), 1)
      const shown = await spindle(['status', '--admin-socket', agent.adminSocket])
      assert.equal(shown.code, 0)
      assert.match(shown.out, /problem: entries: .*\n?.*entries\[0\]/)
      assert.match(agent.child.output(), /"level":"error".*"source":"entries".*the last good one/)
      const ready = await fetch(`${agent.http}/ready`)
      assert.equal(ready.status, 200, 'the last good reading is served')
      assert.match(await ready.text(), /entries\[1\]/)

      await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })
      assert.notEqual(serialOf(await stream.next()), first)
      assert.deepEqual(await names(), ['spiffe://example.org/web'])
    },
  )

  await t.test('entries: mending the file heals', async () => {
    writeFileSync(entries, entriesOf(['web', 'second'], PARTNER))
    await comesInForce('web', 'second')
    assert.equal(await faultOf(agent, 'entries'), undefined)
    assert.equal(await agent.metric('spindle_agent_reload_ok{source="entries"}'), 1)
    assert.deepEqual((await status(agent)).problems, [])
  })

  await t.test('entries: a file renamed over the old one is seen', async () => {
    writeFileSync(`${entries}.new`, entriesOf(['web', 'renamed'], PARTNER))
    renameSync(`${entries}.new`, entries)
    await comesInForce('web', 'renamed')
  })

  await t.test('a bundle: secrets go on, and mending the file heals', async () => {
    const federated = async (): Promise<number | undefined> =>
      agent.metric('spindle_agent_bundle_certificates{trust_domain="partner.test"}')
    writeFileSync(partner, 'no bundle\n')
    await eventually('the fault is shown', () => faultOf(agent, 'bundle partner.test'))
    assert.equal(await agent.metric('spindle_agent_reload_ok{source="bundle partner.test"}'), 0)
    assert.equal(await agent.metric('spindle_agent_reload_ok{source="entries"}'), 1)
    assert.equal(await federated(), 1)
    const { secrets } = await caller.fetch(['spiffe://partner.test'])
    assert.equal(secrets.length, 1)
    writeFileSync(partner, (await partnerCa('partner two')) + (await partnerCa('partner three')))
    await eventually('both certificates', async () => (await federated()) === 2)
    assert.equal(await faultOf(agent, 'bundle partner.test'), undefined)
  })
})

test('entries behind a symbolic link that is swapped are seen, and SIGHUP reads what no event tells of', async (t) => {
  const rig = createRig(t)
  // As Kubernetes mounts a ConfigMap: the file is a link into ..data, which is a link that is swapped.
  const mount = join(rig.folder, 'mount')
  const version = (name: string, count: number): void => {
    mkdirSync(join(rig.folder, name), { recursive: true })
    const names = Array.from({ length: count }, (_, index) => `entry-${index}`)
    writeFileSync(join(rig.folder, name, 'entries.yaml'), entriesOf(names))
  }
  const swap = (link: string, target: string): void => {
    symlinkSync(target, `${link}.new`)
    renameSync(`${link}.new`, link)
  }
  version('mount/..v1', 1)
  version('mount/..v2', 2)
  swap(join(mount, '..data'), '..v1')
  swap(join(mount, 'entries.yaml'), '..data/entries.yaml')
  const agent = await rig.agent({ config: { entries: { file: join(mount, 'entries.yaml') } } })
  const loaded = async (count: number): Promise<boolean> => (await status(agent)).entries === count
  assert.equal(await loaded(1), true)
  swap(join(mount, '..data'), '..v2')
  await eventually('the other version', () => loaded(2))

  // A link in a third folder: neither the folder of the path nor that of the file changes when it is swapped.
  mkdirSync(join(rig.folder, 'between'))
  for (const count of [3, ...UNTOLD]) version(`v${count}`, count)
  swap(join(rig.folder, 'between/data'), '../v3')
  swap(join(mount, '..data'), '../between/data')
  await eventually('the version behind two links', () => loaded(3))
  const start = performance.now()
  for (const count of UNTOLD) {
    swap(join(rig.folder, 'between/data'), `../v${count}`)
    agent.child.signal('SIGHUP')
    await eventually('read at SIGHUP', () => loaded(count))
  }
  const took = performance.now() - start
  assert(took < 9_000, `${took} ms`)
})

test('an agent whose files are bad at the start ends with exit code 2 and every fault at once', async (t) => {
  const rig = createRig(t)
  const config = join(rig.folder, 'agent.yaml')
  const run = async (text: string): Promise<string> => {
    writeFileSync(config, text)
    for (const command of ['agent', 'validate']) {
      const { code, out, err } = await spindle([command, '-c', config])
      assert.equal(code, 2, err)
      assert.equal(out, '')
      if (command === 'validate') return err
    }
    return ''
  }
  const faultsOfConfig = await run(
    stringify({
      trustDomain: 'Example.org',
      socket: join(rig.folder, 'a.sock'),
      svid: { ttl: '5s' },
      entries: { file: 'entries.yaml' },
      limits: { namesPerStream: 0 },
      colour: 'blue',
    }),
  )
  for (const path of ['trustDomain', 'svid.ttl', 'limits.namesPerStream', 'colour'])
    assert.match(faultsOfConfig, new RegExp(path.replaceAll('.', '\\.')), path)

  writeFileSync(join(rig.folder, 'entries.yaml'), BAD_ENTRIES)
  writeFileSync(join(rig.folder, 'partner.pem'), 'no bundle\n')
  const files = await run(
    stringify({
      trustDomain: 'example.org',
      socket: join(rig.folder, 'run/agent.sock'),
      admin: { socket: join(rig.folder, 'run/admin/admin.sock') },
      stateDir: join(rig.folder, 'state'),
      entries: { file: 'entries.yaml' },
      bundles: { 'partner.test': { file: 'partner.pem' }, 'gone.test': { file: 'gone.pem' } },
    }),
  )
  for (const place of ['entries[0].spiffeId', 'entries[1].selectors[0]'])
    assert(files.includes(place), files)
  assert.match(files, /partner\.pem/)
  assert.match(files, /gone\.pem/)
  assert.equal(
    existsSync(join(rig.folder, 'run')),
    false,
    'nothing is made before the files are good',
  )
})
