import assert from 'node:assert/strict'
import { basename, dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { status } from '@grpc/grpc-js'
import type { Io } from '../../../../src/cli/io.ts'
import type { FakeAgent } from '../../../fakes/workload-agent.ts'
import { createFakeAgent } from '../../../fakes/workload-agent.ts'
import { one } from '../../workload/setting.ts'
import { workload } from './setting.ts'

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function token(name: string, aud: readonly string[]): string {
  const claims = {
    sub: `spiffe://example.org/${name}`,
    aud,
    exp: Math.ceil(Date.now() / 1000) + 299,
  }
  return [part({ alg: 'ES256', kid: 'k' }), part(claims), part('signature')].join('.')
}

const jwtAgent = (t: TestContext): Promise<FakeAgent> =>
  createFakeAgent(t, {
    fetchJWTSVID: ({ audience, spiffeId }) => ({
      svids: ['web', 'db']
        .map((name) => ({
          spiffeId: `spiffe://example.org/${name}`,
          svid: token(name, audience as string[]),
        }))
        .filter((one) => spiffeId === '' || one.spiffeId === spiffeId),
    }),
    validateJWTSVID: ({ svid, audience }) =>
      svid === 'good'
        ? {
            spiffeId: 'spiffe://example.org/web',
            claims: {
              sub: 'spiffe://example.org/web',
              aud: [String(audience)],
              exp: 2_000_000_000,
            },
          }
        : { code: status.INVALID_ARGUMENT, details: 'it has expired' },
  })

test('workload jwt gives the token of each identity, of one, or nothing but the first', async (t) => {
  const agent = await jwtAgent(t)
  const all = await workload(agent, ['jwt', '--audience', 'a', 'b'])
  assert.equal(all.code, 0, all.err)
  assert.equal(all.out.match(/^token +ey\S+$/gm)?.length, 2)
  assert.match(all.out, /^audience +a, b$/m)
  assert.match(all.out, /^expires +in (4m|5m)/m)
  const db = ['jwt', '--audience', 'a', '--spiffe-id', 'spiffe://example.org/db', '-o', 'json']
  const { svids } = JSON.parse((await workload(agent, db)).out) as { svids: { token: string }[] }
  assert.equal(svids.length, 1)
  const raw = await workload(agent, ['jwt', '--audience', 'a', '--raw'])
  assert.match(raw.out, /^ey[\w.-]+\n$/)
})

test('workload validate takes the token from standard input, and tells what is wrong with it', async (t) => {
  const agent = await jwtAgent(t)
  const input = (text: string): Partial<Io> => ({ input: () => Promise.resolve(text) })
  const good = await workload(agent, ['validate', '--audience', 'a'], input('good\n'))
  assert.equal(good.code, 0, good.err)
  assert.match(good.out, /^spiffe id +spiffe:\/\/example\.org\/web$/m)
  assert.match(good.out, /^aud +\["a"\]$/m)
  assert.match(good.out, /^exp +2033-05-18T03:33:20Z$/m)
  const bad = await workload(agent, ['validate', '--audience', 'a', '--svid', 'bad'])
  assert.equal(bad.code, 1)
  assert.match(bad.err, /it has expired/)
  for (const io of [{}, input(' \n')]) {
    const none = await workload(agent, ['validate', '--audience', 'a'], io)
    assert.equal(none.code, 2)
    assert.match(none.err, /no JWT-SVID/)
  }
})

test('an exit code says whether the agent is not ready, denies, or was asked wrongly', async (t) => {
  const agent = await createFakeAgent(t)
  for (const [code, exit] of [
    [status.UNAVAILABLE, 3],
    [status.PERMISSION_DENIED, 4],
    [status.INVALID_ARGUMENT, 1],
    [status.UNIMPLEMENTED, 1],
  ] as const) {
    agent.says = { fetchX509SVID: (stream) => stream.fail(code, 'no') }
    assert.equal((await workload(agent, ['x509'])).code, exit)
  }
  agent.says = {}
  const silent = await workload(agent, ['x509', '--timeout', '1s'])
  assert.equal(silent.code, 3)
  assert.match(silent.err, /nothing within 1000 ms/)
  assert.equal((await workload({ path: '/nowhere/a.sock' }, ['x509'])).code, 3)
  for (const args of [['x509', '--timeout', '0s'], ['x509', '--timeout', '1'], ['jwt']])
    assert.equal((await workload(agent, args)).code, 2, args.join(' '))
})

test('--socket is an endpoint or a plain path and goes before the environment, which must be an endpoint', async (t) => {
  const message = await one()
  const agent = await createFakeAgent(t, { fetchX509SVID: (stream) => stream.send(message) })
  const nowhere = { path: '/nowhere/a.sock' }
  const named = [
    `unix://${agent.path}`,
    `unix:${agent.path}`,
    agent.path,
    relative('.', agent.path),
  ]
  for (const socket of named)
    assert.equal((await workload(nowhere, ['x509', '--socket', socket])).code, 0, socket)
  const refused = await workload(agent, ['x509', '--socket', 'tcp://localhost:80'])
  assert.equal(refused.code, 2)
  assert.match(refused.err, /^spindle: --socket: "tcp:\/\/localhost:80" has a host that is not/)
  const env = { SPIFFE_ENDPOINT_SOCKET: agent.path }
  const plain = await workload(agent, ['x509'], { env })
  assert.equal(plain.code, 2)
  assert.match(plain.err, /^spindle: SPIFFE_ENDPOINT_SOCKET: .* is not a URI/)
  const unset = await workload(agent, ['x509'], { env: {} })
  assert.match(unset.err, /\/run\/spindle\/agent\.sock/)
})

test("workload finds the agent by SPIRE's variables too, after the standard's own", async (t) => {
  const agent = await jwtAgent(t)
  const asked = (env: Io['env'], ...more: readonly string[]) =>
    workload(agent, ['jwt', '-audience', 'a,b', '--raw', ...more], { env })
  const path = { SPIRE_AGENT_PUBLIC_SOCKET: agent.path }
  const template = { SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE: join(dirname(agent.path), '%i') }
  const { code, out } = await asked(path)
  assert.equal(code, 0)
  const claims = JSON.parse(Buffer.from(out.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >
  assert.deepEqual(claims['aud'], ['a', 'b'])
  assert.equal((await asked(template, '-instance', basename(agent.path))).code, 0)
  assert.equal((await asked({ ...path, SPIFFE_ENDPOINT_SOCKET: 'unix:///none' })).code, 3)
  assert.equal((await asked({}, '-instance', basename(agent.path))).code, 2)
})
