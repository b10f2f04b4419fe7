import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { readCertificatesPem } from '../../src/certs/parse.ts'
import type { Agent } from './rig/agent.ts'
import { cli, spindle } from './rig/command.ts'
import type { Operator } from './rig/operator.ts'
import { createOperator } from './rig/operator.ts'
import { testSelectors } from './rig/pair.ts'
import { rootsOf } from './rig/peer.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'
import type { SdsStreamClient } from './rig/sds-client.ts'

function hasOpenssl(t: TestContext): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true
  assert.notEqual(process.env['CI'], 'true', 'CI has openssl')
  t.skip('needs openssl, to be the operator')
  return false
}

/** Puts a CA where the agent reads it, each file as a whole. */
function install(operator: Operator, name: string, anchors: readonly string[]): void {
  const put = (file: string, text: string, mode: number): void => {
    writeFileSync(operator.path(`${file}.new`), text, { mode })
    renameSync(operator.path(`${file}.new`), operator.path(file))
  }
  const text = (file: string): string => readFileSync(operator.path(file), 'utf8')
  put('in-use.key', text(`${name}.key`), 0o600)
  put('in-use.pem', text(`${name}.pem`), 0o644)
  put('roots.pem', anchors.map((anchor) => text(`${anchor}.pem`)).join(''), 0o644)
}

/** Common names of the certificates in PEM; '' where one has none. */
const namesIn = (pem: string): string[] =>
  readCertificatesPem(pem, 'chain').map(
    (der) => /CN=(.*)/.exec(new X509Certificate(der).subject)?.[1] ?? '',
  )

/** The newest chain on a stream, once `wanted` says so. */
async function chainOf(
  stream: SdsStreamClient,
  wanted: (names: string[]) => boolean,
): Promise<string> {
  const chain = (index: number): string => {
    const type = stream.received[index]?.secrets[0]?.type
    if (type?.case !== 'tlsCertificate') return ''
    const source = type.value.certificateChain?.specifier
    return source?.case === 'inlineBytes' ? Buffer.from(source.value).toString() : ''
  }
  return eventually('another chain', () => {
    const latest = chain(stream.received.length - 1)
    return latest !== '' && wanted(namesIn(latest)) ? latest : undefined
  })
}

const authority = (agent: Agent) =>
  agent.admin.call(AdminService.method.getAuthority, {}, { deadlineMs: 20_000 })
const renew = (agent: Agent) =>
  agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })

const isPrepared = async (agent: Agent): Promise<boolean> =>
  (await authority(agent)).slots.some(({ status }) => status === 'prepared')
const rotate = (agent: Agent) =>
  agent.admin.call(AdminService.method.rotateAuthority, {}, { deadlineMs: 30_000 })

test('an agent under an operator’s CA follows the CA’s files, and a bad exchange keeps the last good one', async (t) => {
  if (!hasOpenssl(t)) return
  const rig = createRig(t)
  const files = join(rig.folder, 'ca')
  mkdirSync(files)
  const operator = createOperator(files)
  operator.ca('root')
  operator.ca('first', { by: 'root' })
  operator.ca('second', { by: 'root' })
  operator.ca('other-root')
  operator.ca('third', { by: 'other-root' })
  install(operator, 'first', ['root'])
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: {
      authority: {
        kind: 'disk',
        certFile: operator.path('in-use.pem'),
        keyFile: operator.path('in-use.key'),
        bundleFile: operator.path('roots.pem'),
      },
    },
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const follow = (name: string): SdsStreamClient => {
    const stream = client.delta()
    let answered = 0
    const timer = setInterval(() => {
      for (; answered < stream.received.length; answered++) stream.ack(stream.received[answered]!)
    }, 5)
    rig.atEnd(() => clearInterval(timer))
    stream.subscribe(name)
    return stream
  }
  const svid = follow('default')
  const bundle = follow('ROOTCA')
  const under = (name: string): Promise<string> =>
    chainOf(svid, (names) => names.length === 3 && names[2] === name)
  const roots = (): string[] => namesIn(rootsOf(bundle.received.at(-1)?.secrets[0]))

  await t.test('the chain is leaf and intermediates, verified by the root alone', async () => {
    const chain = await under('first')
    assert.equal(operator.verify(chain, operator.path('root.pem')), 'OK')
    assert.notEqual(operator.verify(chain, operator.path('other-root.pem')), 'OK')
    await eventually('a bundle', () => bundle.received.length === 1)
    assert.deepEqual(roots(), ['root'])
    assert.equal((await authority(agent)).kind, 'disk')
  })

  await t.test('a bad exchange keeps the last good one and is shown', async () => {
    // The key of another CA.
    copyFileSync(operator.path('other-root.key'), operator.path('in-use.key'))
    const fault = await eventually(
      'a fault',
      async () => (await authority(agent)).fault || undefined,
    )
    assert.match(fault, /certFile and keyFile/)
    assert.equal(await agent.metric('spindle_agent_authority_fault'), 1)
    const status = await cli('status', '--admin-socket', agent.adminSocket)
    assert.equal(status.code, 0)
    assert.match(status.out, /problem: authority: .*keyFile/)
    assert.match(
      (await cli('ca', 'show', '--admin-socket', agent.adminSocket)).out,
      /fault: .*keyFile/,
    )
    const before = svid.received.length
    await renew(agent)
    await eventually('a renewal under the last good one', () => svid.received.length === before + 1)
    assert.equal(operator.verify(await under('first'), operator.path('root.pem')), 'OK')
  })

  await t.test(
    'another intermediate of the same root signs next, and needs no new bundle',
    async () => {
      install(operator, 'second', ['root'])
      await eventually('a next authority is prepared', () => isPrepared(agent))
      assert.equal((await authority(agent)).fault, '')
      assert.equal(await agent.metric('spindle_agent_authority_fault'), 0)
      await rotate(agent)
      assert.equal(operator.verify(await under('second'), operator.path('root.pem')), 'OK')
      assert.equal(bundle.received.length, 1)
    },
  )

  await t.test(
    'another root is trusted before its intermediate signs, and alone when it is',
    async () => {
      install(operator, 'third', ['root', 'other-root'])
      await eventually('both roots', () => bundle.received.length === 2)
      assert.deepEqual(roots().toSorted(), ['other-root', 'root'])
      await under('second')
      await eventually('a next authority is prepared', () => isPrepared(agent))
      await rotate(agent)
      assert.equal(operator.verify(await under('third'), operator.path('other-root.pem')), 'OK')
      install(operator, 'third', ['other-root'])
      await eventually('the other root alone', () => bundle.received.length === 3)
      assert.deepEqual(roots(), ['other-root'])
      await renew(agent)
      await under('third')
    },
  )

  await t.test('SIGHUP reads the files again', async () => {
    const read = (): number => agent.child.output().split('event=reloaded').length
    const before = read()
    agent.child.signal('SIGHUP')
    await eventually('read again', () => read() > before)
  })
})

test('an operator’s CA that cannot be used is told with every fault at once, and exit code 2', async (t) => {
  if (!hasOpenssl(t)) return
  const rig = createRig(t)
  const operator = createOperator(rig.folder)
  operator.ca('root')
  operator.ca('short', { by: 'root', days: 1, pathLen: 0 })
  chmodSync(operator.path('root.key'), 0o644)
  const config = operator.path('agent.yaml')
  writeFileSync(operator.path('entries.yaml'), 'entries: []\n')
  writeFileSync(
    config,
    stringify({
      trustDomain: 'example.org',
      socket: operator.path('run/agent.sock'),
      admin: { socket: operator.path('run/admin/admin.sock') },
      stateDir: operator.path('state'),
      entries: { file: 'entries.yaml' },
      svid: { ttl: '2d' },
      authority: {
        kind: 'disk',
        certFile: 'short.pem',
        keyFile: 'root.key',
        bundleFile: 'root.pem',
        caTtl: '4d',
      },
    }),
  )
  for (const command of ['agent', 'validate']) {
    const { code, err, out } = await spindle([command, '-c', config])
    assert.equal(code, 2, err)
    assert.equal(out, '')
    for (const fault of [
      /authority\.keyFile: mode 0644/,
      /authority\.certFile and keyFile/,
      /pathLenConstraint allows no CA below it/,
      /ends .*within svid\.ttl/,
    ])
      assert.match(err, fault, command)
  }
})
