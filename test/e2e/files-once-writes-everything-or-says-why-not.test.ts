import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import type { CommandResult } from './rig/command.ts'
import { spindle } from './rig/command.ts'
import { startFiles } from './rig/files.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually, write } from './rig/rig.ts'

const ENTRY = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }

test('spindle files --once waits for agent and identity, writes everything, and ends with 0; else its exit code says why', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [] })
  const folder = join(rig.folder, 'out')
  const file = join(rig.folder, 'files.yaml')
  const config = (change: object = {}): void =>
    write(
      file,
      stringify({
        socket: `unix://${agent.socket}`,
        x509: [{ certFile: 'out/c.pem', keyFile: 'out/k.pem', bundleFile: 'out/b.pem' }],
        jwt: [{ audience: ['vault'], file: 'out/vault.jwt' }],
        jwtBundles: [{ trustDomain: 'example.org', file: 'out/jwks.json' }],
        after: { command: ['/bin/sh', '-c', `echo run >> ${rig.folder}/ran`] },
        ...change,
      }),
    )
  const once = (...args: readonly string[]): Promise<CommandResult> =>
    spindle(['files', '--config', file, '--once', ...args])
  const ran = (): number =>
    existsSync(join(rig.folder, 'ran'))
      ? readFileSync(join(rig.folder, 'ran'), 'utf8').split('\n').length - 1
      : 0

  await t.test('no identity in time: 4, and nothing is written', async () => {
    config()
    const { code, err } = await once('--timeout', '1s')
    assert.equal(code, 4, err)
    assert.match(err, /not every file is written\n {2}x509\[0\]: .*\(no_identity\)/s)
    assert(!existsSync(folder) || !readdirSync(folder).includes('k.pem'))
  })

  await t.test('an identity that is registered while it waits: 0', async () => {
    const child = await startFiles(rig, { config: file, args: ['--once', '--timeout', '30s'] })
    await eventually('it was denied', () => child.output().includes('no identity is given'))
    agent.setEntries([ENTRY])
    assert.deepEqual(await child.ended, { code: 0, signal: null }, child.output())
    assert.deepEqual(readdirSync(folder).sort(), [
      'b.pem',
      'c.pem',
      'jwks.json',
      'k.pem',
      'vault.jwt',
    ])
    for (const name of ['k.pem', 'vault.jwt'])
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600)
    assert.doesNotMatch(child.output(), /PRIVATE KEY/)
    assert(!child.output().includes(readFileSync(join(folder, 'vault.jwt'), 'utf8')))
    assert.equal(ran(), 0, 'after is not done unless it is asked for')
  })

  await t.test('--after does what is to be done after a change, and only then', async () => {
    config({ x509: [{ certFile: 'new/c.pem', keyFile: 'new/k.pem' }] })
    const { code, err } = await once('--after')
    assert.equal(code, 0, err)
    assert.equal(ran(), 1)
    const same = { x509: [{ certFile: 'new/c.pem', keyFile: 'new/k.pem' }], jwt: [] }
    config(same)
    assert.equal((await once('--after')).code, 0)
    assert.equal(ran(), 1, 'nothing has changed')
    config({ ...same, x509: [{ bundleFile: 'new/b.pem' }], after: { command: ['/bin/false'] } })
    assert.equal((await once('--after')).code, 1)
  })

  await t.test('a folder that others may write: 1, at once', async () => {
    mkdirSync(join(rig.folder, 'open'))
    chmodSync(join(rig.folder, 'open'), 0o777)
    config({ x509: [{ bundleFile: 'open/b.pem' }] })
    const { code, err } = await once('--timeout', '10m')
    assert.equal(code, 1, err)
    assert.match(err, /open may be written by its group or by others.*\(file_unwritable\)/s)
  })

  await t.test('a fault of the configuration or of the arguments: 2', async () => {
    config({ x509: [{ certFile: 'c.pem' }] })
    for (const more of [['--once'], ['--check'], []]) {
      const { code, err } = await spindle(['files', '--config', file, ...more])
      assert.equal(code, 2)
      assert.match(err, /x509\[0\]\.keyFile: is missing/)
    }
    config({ jwt: [{ audience: ['a'], file: 'a', owner: 'nobody-here' }] })
    assert.match((await once()).err, /jwt\[0\]\.owner: there is no user "nobody-here"/)
    assert.equal((await once('--timeout', '1x')).code, 2)
    assert.equal((await spindle(['files', '--config', file, '--after'])).code, 2)
  })

  await t.test('no agent in time: 3', async () => {
    config()
    await agent.stop()
    const { code, err } = await once('--timeout', '1s')
    assert.equal(code, 3, err)
    assert.match(err, /x509\[0\]: .*\(unreachable\)/s)
    rig.atEnd(() => agent.stop())
  })

  await t.test(
    'the socket is that of SPIFFE_ENDPOINT_SOCKET unless the configuration names one',
    async () => {
      const again = await agent.restart()
      rig.atEnd(() => again.stop())
      config({ socket: undefined })
      const env = { SPIFFE_ENDPOINT_SOCKET: `unix://${again.socket}` }
      const args = ['files', '--config', file, '--once']
      const { code, err } = await spindle(args, { env })
      assert.equal(code, 0, err)
      const wrong = await spindle(args, { env: { SPIFFE_ENDPOINT_SOCKET: again.socket } })
      assert.equal(wrong.code, 2, wrong.err)
      assert.match(wrong.err, /\(endpoint_invalid\)/)
    },
  )
})
