import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { DescMessage, DescMethodUnary, JsonObject, MessageShape } from '@bufbuild/protobuf'
import { fromJson } from '@bufbuild/protobuf'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from './rig/agent.ts'
import { cli, spindle } from './rig/command.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsCaller, serialOf } from './rig/sds-caller.ts'

type Fields = Readonly<Record<string, unknown>>

/** What a command of the admin socket prints: as a table, and as JSON, which YAML must agree with. */
async function ask<I extends DescMessage, O extends DescMessage>(
  agent: Agent,
  method: DescMethodUnary<I, O>,
  ...args: readonly string[]
): Promise<{ readonly table: string; readonly json: MessageShape<O> }> {
  const print = async (format: string): Promise<string> => {
    const { code, out, err } = await cli(...args, '--admin-socket', agent.adminSocket, '-o', format)
    assert.deepEqual([code, err], [0, ''], `${args.join(' ')} -o ${format}`)
    return out
  }
  const [table, json, yaml] = [await print('table'), await print('json'), await print('yaml')]
  const fields = JSON.parse(json) as JsonObject
  assert.deepEqual(Object.keys(parse(yaml) as Fields), Object.keys(fields))
  return { table, json: fromJson(method.output, fields) }
}

/** The cells of a row of a printed table. */
const rowWith = (table: string, text: string): string[] =>
  table
    .split('\n')
    .find((line) => line.includes(text))
    ?.split(/ {2,}/) ?? []

test('each command prints what the agent knows, as a table, JSON and YAML', async (t) => {
  const rig = createRig(t)
  const { method } = AdminService
  const web = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors(), hint: 'internal' }
  const api = { spiffeId: 'spiffe://example.org/api', selectors: ['unix:uid:4242', 'unix:path:/x'] }
  const agent = await rig.agent({ entries: [web, api] })
  const caller = createSdsCaller(agent.socket)
  rig.atEnd(() => caller.close())
  const follow = (name: string) => {
    const stream = caller.delta()
    stream.acknowledge()
    stream.say({ node: { id: 'node-7', cluster: 'c' }, resourceNamesSubscribe: [name] })
    return stream
  }
  const own = follow('default')
  await own.next()
  follow('ROOTCA')
  follow(api.spiffeId)
  const metric = 'spindle_agent_sds_acks_total{variant="delta"}'
  await eventually('three acknowledgements', async () => (await agent.metric(metric)) === 3)

  await t.test('status', async () => {
    const { table, json } = await ask(agent, method.getStatus, 'status')
    assert.match(table, /^ready +yes$/m)
    assert.match(table, new RegExp(`^http +${agent.http.replace('http://', '')}$`, 'm'))
    assert.match(table, /^streams +3$/m)
    assert.equal(rowWith(table, 'entries.yaml')[0], 'entries')
    assert.deepEqual(
      [json.pid, json.trustDomain, json.socket, json.ready, json.sidecars, json.entries],
      [agent.child.pid, 'example.org', agent.socket, true, 1, 2],
    )
    assert.deepEqual(json.problems, [])
  })

  await t.test('sds list', async () => {
    const { table, json } = await ask(agent, method.listSidecars, 'sds', 'list')
    const [sidecar] = json.sidecars
    const states = Object.fromEntries(
      sidecar?.secrets.map((secret) => [secret.name, secret.state]) ?? [],
    )
    assert.deepEqual(states, {
      default: 'acknowledged',
      ROOTCA: 'acknowledged',
      [api.spiffeId]: 'waiting',
    })
    assert.equal(sidecar?.pid, process.pid)
    const [pid, , node, , name, kind, state] = rowWith(table, 'default')
    assert.deepEqual(
      [pid, node, name, kind, state],
      [String(process.pid), 'node-7', 'default', 'svid', 'acknowledged'],
    )
    assert.match(rowWith(table, 'default')[8] ?? '', /^in (5\dm|1h)/)
  })

  await t.test('sds explain', async () => {
    const about = ['--pid', String(process.pid), '--name', api.spiffeId] as const
    const { table, json } = await ask(agent, method.explain, 'sds', 'explain', ...about)
    for (const text of [String(process.pid), 'no entry of this caller', ...api.selectors])
      assert(table.includes(text), table)
    assert.deepEqual(
      json.entries.map((entry) => [entry.spiffeId, entry.default, entry.hint]),
      [[web.spiffeId, true, 'internal']],
    )
    assert.equal(json.near[0]?.spiffeId, api.spiffeId)
    assert.deepEqual(json.near[0]?.missingSelectors.toSorted(), api.selectors.toSorted())
    assert.equal(json.nameState, 'absent')
    assert(json.selectors.includes(web.selectors[0] ?? ''))
    assert.deepEqual(json.entries[0]?.names.toSorted(), ['default', 'internal', web.spiffeId])
    const nobody = await cli(
      'sds',
      'explain',
      '--pid',
      '4194304',
      '--admin-socket',
      agent.adminSocket,
    )
    assert.equal(nobody.code, 1)
    assert.match(nobody.err, /\(not_found\)/)
  })

  await t.test('svid renew', async () => {
    const { json } = await ask(agent, method.renewIdentities, 'svid', 'renew')
    assert.equal(json.renewed, 1)
    const serials = new Set<string>()
    for (let renewal = 0; renewal < 3; renewal++) serials.add(serialOf(await own.next()))
    assert.equal(serials.size, 3, 'one a format')
    const none = await ask(
      agent,
      method.renewIdentities,
      'svid',
      'renew',
      '--spiffe-id',
      api.spiffeId,
    )
    assert.equal(none.json.renewed, 0)
  })

  await t.test('ca show and ca rotate', async () => {
    const before = (await ask(agent, method.getAuthority, 'ca', 'show')).json
    assert.deepEqual([before.kind, before.fault, before.slots.length], ['embedded', '', 1])
    const rotated = await cli('ca', 'rotate', '--admin-socket', agent.adminSocket, '-o', 'json')
    assert.equal(rotated.code, 0)
    const { activeAuthorityId, acknowledged, holding, renewed } = fromJson(
      method.rotateAuthority.output,
      JSON.parse(rotated.out) as JsonObject,
    )
    assert.deepEqual([acknowledged, holding, renewed], [1, 1, 1])
    const after = await ask(agent, method.getAuthority, 'ca', 'show')
    const statuses = after.json.slots.map((slot) => [slot.authorityId, slot.status])
    assert.deepEqual(Object.fromEntries(statuses), {
      [before.slots[0]?.authorityId ?? '']: 'old',
      [activeAuthorityId]: 'active',
    })
    assert.equal(rowWith(after.table, activeAuthorityId)[1], 'active')
  })

  await t.test('ca rotate --jwt', async () => {
    const admin = ['--admin-socket', agent.adminSocket]
    const rotate = async (...options: string[]) => {
      const { code, out, err } = await cli('ca', 'rotate', '--jwt', ...options, ...admin)
      assert.deepEqual([code, err], [0, ''])
      return out
    }
    const before = (await ask(agent, method.getAuthority, 'ca', 'show')).json.jwtSlots
    assert.deepEqual(
      before.map(({ status }) => status),
      ['active'],
    )
    const first = before[0]?.authorityId ?? '?'
    const planned = await rotate()
    assert.equal(rowWith(planned, 'active JWT key')[1], first)
    assert.match(rowWith(planned, 'signs')[1] ?? '', /^in (4m|5m)/)
    const next = rowWith(planned, 'next JWT key')[1] ?? '?'
    const { table } = await ask(agent, method.getAuthority, 'ca', 'show')
    assert.deepEqual([rowWith(table, first)[1], rowWith(table, next)[1]], ['active', 'prepared'])
    assert.equal(await rotate('--now'), `active JWT key  ${next}\n`)
    const after = (await ask(agent, method.getAuthority, 'ca', 'show')).json.jwtSlots
    assert.deepEqual(
      after.map(({ authorityId, status }) => [authorityId, status]),
      [
        [first, 'old'],
        [next, 'active'],
      ],
    )
    const alone = await cli('ca', 'rotate', '--now', ...admin)
    assert.deepEqual([alone.code, /--now goes with --jwt/.test(alone.err)], [2, true])
  })

  await t.test('ca bundles', async () => {
    const { table, json } = await ask(agent, method.listBundles, 'ca', 'bundles')
    const [bundle] = json.bundles
    assert(bundle !== undefined)
    assert.deepEqual(
      [bundle.trustDomain, bundle.own, bundle.certificates.length],
      ['example.org', true, 2],
    )
    assert.equal(bundle.pem.split('BEGIN CERTIFICATE').length - 1, 2)
    const { keys } = JSON.parse(bundle.document) as { keys: { use: string; kid?: string }[] }
    assert.equal(keys.length, 4)
    assert.equal(rowWith(table, bundle.certificates[1]?.subjectKeyId ?? '?')[0], 'example.org')
    const jwtKeys = keys.flatMap(({ use, kid }) => (use === 'jwt-svid' ? (kid ?? '') : []))
    assert.deepEqual(bundle.jwtKeyIds, jwtKeys)
    for (const key of jwtKeys) assert.equal(rowWith(table, key)[3], 'JWT key')
  })

  await t.test('reload', async () => {
    writeFileSync(join(agent.folder, 'entries.yaml'), 'entries: 7\n')
    const { table, json } = await ask(agent, method.reload, 'reload')
    assert.equal(json.sources[0]?.name, 'entries')
    assert.match(json.sources[0]?.fault ?? '', /entries/)
    assert.match(table, /^entries /m)
    agent.setEntries([web, api])
    assert.equal((await ask(agent, method.reload, 'reload')).json.sources[0]?.fault, '')
  })

  await t.test('sds fetch', async () => {
    const asCaller = ['--socket', agent.socket]
    const folder = join(rig.folder, 'written')
    mkdirSync(folder)
    const fetched = await cli('sds', 'fetch', 'default', 'ROOTCA', '--write', folder, ...asCaller)
    assert.equal(fetched.code, 0, fetched.err)
    assert.deepEqual(rowWith(fetched.out, 'default').slice(0, 3), ['default', 'svid', web.spiffeId])
    assert.deepEqual(readdirSync(folder).toSorted(), [
      'ROOTCA.bundle.pem',
      'default.key',
      'default.pem',
    ])
    assert.equal(statSync(join(folder, 'default.key')).mode & 0o777, 0o600)
    const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
    const leaf = new X509Certificate(read('default.pem'))
    assert.equal(leaf.checkPrivateKey(createPrivateKey(read('default.key'))), true)
    assert.equal(leaf.subjectAltName, `URI:${web.spiffeId}`)

    const json = await cli('sds', 'fetch', '-o', 'json', ...asCaller)
    const { secrets } = JSON.parse(json.out) as { secrets: { name: string }[] }
    assert.deepEqual(
      secrets.map(({ name }) => name),
      ['spiffe://example.org', web.spiffeId],
    )
    const none = await cli('sds', 'fetch', api.spiffeId, ...asCaller)
    assert.deepEqual([none.code, none.out], [1, ''])
    assert.match(none.err, /\(not_found\)/)
  })
})

test('a command ends with 0, 1, 2, 3 or 4, and says what to do where it failed', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent()
  const config = join(agent.folder, 'agent.yaml')
  const missing = join(rig.folder, 'none.sock')
  const cases: readonly (readonly [code: number, args: readonly string[], says: RegExp])[] = [
    [0, ['status', '--admin-socket', agent.adminSocket], /^ready +yes/m],
    [0, ['validate', '-c', config], /is valid/],
    [0, ['--version'], /^\d+\.\d+\.\d+$/m],
    [1, ['sds', 'fetch', 'default', '--socket', agent.socket], /sds explain.*\(not_found\)/],
    [2, ['stauts'], /unknown command.*\n?.*status|--help/],
    [2, ['sds', 'explain', '--pid', 'x'], /whole number/],
    [2, ['status', '-o', 'xml'], /table, json, yaml/],
    [2, ['validate', '-c', join(rig.folder, 'none.yaml')], /none\.yaml.*\n.*\(config_invalid\)/],
    [3, ['status', '--admin-socket', missing], /none\.sock.*\nStart the agent/],
    [3, ['sds', 'fetch', '--socket', missing], /none\.sock.*\nStart the agent/],
  ]
  for (const [code, args, says] of cases) {
    const result = await cli(...args)
    const output = result.out + result.err
    assert.equal(result.code, code, `${args.join(' ')}: ${output}`)
    assert.match(output, says)
    assert.equal(
      code === 0 ? result.err : result.out,
      '',
      'faults go to standard error, answers to standard output',
    )
  }
  // The process really ends with it.
  for (const [code, args] of [cases[0]!, cases[8]!]) assert.equal((await spindle(args)).code, code)
  if (process.getuid?.() !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI is root')
    return t.skip('needs root, to be denied as another user')
  }
  const denied = await spindle(['status', '--admin-socket', agent.adminSocket], { uid: 10_001 })
  assert.equal(denied.code, 4, denied.err)
})
