import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Child } from '../../src/os/child.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { createWorkloadClient } from '../../src/workload/client.ts'
import type { Agent } from './rig/agent.ts'
import { filesReady, startFiles } from './rig/files.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually, write } from './rig/rig.ts'

const ENTRY = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }

const renew = (agent: Agent): Promise<unknown> =>
  agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })

test('spindle files keeps files up to date through rotations and restarts; when the identity is taken away they stay, and that is said', async (t) => {
  const rig = createRig(t)
  const folder = join(rig.folder, 'out')
  const ran = join(rig.folder, 'ran')
  const file = join(rig.folder, 'files.yaml')
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: readonly string[]): string =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  const serial = (): string => openssl('x509', '-in', at('c.pem'), '-noout', '-serial')
  const runs = (): number => (existsSync(ran) ? statSync(ran).size : 0)
  /** The pair fits, the bundle vouches for it, and what is in one file is what is in the other. */
  const whole = (): void => {
    const key = readFileSync(at('k.pem'), 'utf8')
    assert.equal(readFileSync(at('all.pem'), 'utf8'), key + readFileSync(at('c.pem'), 'utf8'))
    const ofKey = openssl('pkey', '-in', at('k.pem'), '-pubout')
    assert.equal(openssl('x509', '-in', at('c.pem'), '-noout', '-pubkey'), ofKey)
    openssl('verify', '-CAfile', at('b.pem'), '-untrusted', at('c.pem'), at('c.pem'))
  }
  const socket = join(rig.folder, 'agent-1/run/agent.sock')
  write(
    file,
    stringify({
      socket: `unix://${socket}`,
      x509: [
        {
          certFile: 'out/c.pem',
          keyFile: 'out/k.pem',
          bundleFile: 'out/b.pem',
          combinedFile: 'out/all.pem',
        },
      ],
      jwt: [{ audience: ['vault'], file: 'out/vault.jwt' }],
      jwtBundles: [{ trustDomain: 'example.org', file: 'out/jwks.json' }],
      after: { command: ['/bin/sh', '-c', `printf x >> ${ran}; echo reloaded`], debounce: '0s' },
      log: { format: 'text' },
    }),
  )

  let child: Child = await startFiles(rig, { config: file })
  await eventually('it has found nobody', () =>
    /warn {2}the agent has no answer/.test(child.output()),
  )
  const config = { svid: { ttl: '1h', jwtTtl: '10s' } }
  const agent = await rig.agent({ entries: [ENTRY], config })
  assert.equal(agent.socket, socket)

  await t.test('an agent that comes later is found, and everything is written', async () => {
    await filesReady(child)
    whole()
    await eventually('after', () => runs() > 0)
    await eventually('what it said', () => /command said .*line=reloaded/.test(child.output()))
  })

  await t.test(
    'the token is one that the agent takes, by keys that a JWT library reads',
    async (part) => {
      const client = createWorkloadClient({ kind: 'unix', path: socket }, { clock: systemClock })
      part.after(() => client.close())
      const svid = readFileSync(at('vault.jwt'), 'utf8')
      const { spiffeId } = await client.validateJwt({ audience: 'vault', svid })
      assert.equal(spiffeId, ENTRY.spiffeId)
      const { kid } = JSON.parse(Buffer.from(svid.split('.')[0]!, 'base64url').toString()) as {
        kid: string
      }
      const { keys } = JSON.parse(readFileSync(at('jwks.json'), 'utf8')) as {
        keys: readonly { kid: string; use?: string }[]
      }
      assert(keys.some((key) => key.kid === kid && key.use === undefined))
      await eventually(
        'a token of ten seconds is renewed',
        () => readFileSync(at('vault.jwt'), 'utf8') !== svid,
      )
    },
  )

  await t.test('each rotation is written and told of', async () => {
    for (let round = 0; round < 3; round++) {
      const [before, count] = [serial(), runs()]
      await renew(agent)
      await eventually('another certificate', () => serial() !== before)
      whole()
      await eventually('after', () => runs() > count)
    }
  })

  await t.test('a restart of it changes no certificate', async () => {
    const before = [serial(), statSync(at('k.pem')).ino]
    child.signal('SIGTERM')
    assert.deepEqual(await child.ended, { code: 0, signal: null })
    child = await startFiles(rig, { config: file })
    await filesReady(child)
    assert.deepEqual([serial(), statSync(at('k.pem')).ino], before)
  })

  await t.test('SIGHUP puts right what others have changed', async () => {
    const before = serial()
    write(at('c.pem'), 'x')
    child.signal('SIGHUP')
    await eventually('the certificate is back', () => {
      return readFileSync(at('c.pem'), 'utf8').includes('CERTIFICATE') && serial() === before
    })
  })

  await t.test(
    'an identity that is taken away leaves the files; the log and the exit code say so',
    async () => {
      const before = serial()
      agent.setEntries([])
      await eventually('it is said', () =>
        /error no identity is given; its files stay/.test(child.output()),
      )
      assert.equal(serial(), before)
      whole()
      agent.setEntries([ENTRY])
      await eventually('it is back', () =>
        /(?:all is well again|files written) item=x509/.test(
          child.output().split('no identity').at(-1)!,
        ),
      )
      const gone = (): number => child.output().split('no identity is given').length
      const times = gone()
      agent.setEntries([])
      await eventually('gone again', () => gone() > times)
      child.signal('SIGTERM')
      assert.deepEqual(await child.ended, { code: 4, signal: null })
      whole()
    },
  )
  assert.doesNotMatch(child.output(), /PRIVATE KEY/)
})
