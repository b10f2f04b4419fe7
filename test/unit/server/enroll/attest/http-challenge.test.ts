import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { HttpChallengeConfig } from '../../../../../src/config/server/node-attestors.ts'
import type { LookupFunction } from '../../../../../src/os/http/get.ts'
import type { Attested, Challenge } from '../../../../../src/server/enroll/attest/attestor.ts'
import { createHttpChallengeAttestor } from '../../../../../src/server/enroll/attest/http-challenge.ts'
import {
  readHttpChallenge,
  writeHttpChallengePlace,
} from '../../../../../src/spiffe/http-challenge.ts'
import type { HttpChallengePlace } from '../../../../../src/spiffe/http-challenge.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { id, td } from '../../../../fakes/store-values.ts'

const [INVALID, DENIED] = [3, 7]
const here: LookupFunction = (_name, { all }, done) =>
  all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)

interface Node {
  readonly port: number
  /** Paths that were asked for. */
  readonly asked: string[]
  /** Serves what it is challenged with. */
  readonly answer: Challenge
  /** Instead of the nonce. */
  says: string | undefined
}

async function startNode(t: TestContext): Promise<Node> {
  let nonce = ''
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(node.says ?? `${nonce}\n`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const node: Node = {
    port: (server.address() as AddressInfo).port,
    asked,
    says: undefined,
    async answer(bytes) {
      nonce = readHttpChallenge(bytes)
      return Buffer.from('{}')
    },
  }
  return node
}

const random = createSeededRandom('http')

const attestorOf = (config: Partial<HttpChallengeConfig> = {}) =>
  createHttpChallengeAttestor({
    config: {
      allowedDnsPatterns: [],
      requiredPort: undefined,
      allowNonRootPorts: true,
      tofu: true,
      ...config,
    },
    trustDomain: td('example.org'),
    clock: createManualClock(),
    random,
    lookup: here,
  })

const attest = (
  node: Pick<Node, 'port' | 'answer'>,
  place: Partial<HttpChallengePlace> = {},
  config: Partial<HttpChallengeConfig> = {},
): Promise<Attested> => {
  const payload = { hostName: 'p1.example.com', agentName: 'default', port: node.port, ...place }
  const context = { address: '10.0.0.1', signal: new AbortController().signal }
  return attestorOf(config).attest(writeHttpChallengePlace(payload), node.answer, context)
}

async function refused(attempt: Promise<unknown>, code: number, text: RegExp): Promise<void> {
  const thrown = await attempt.then(
    () => assert.fail('it was taken'),
    (error: { status: { code: number; details: string } }) => error.status,
  )
  assert.match(thrown.details, text)
  assert.ok(thrown.details.startsWith('nodeattestor(http_challenge): '))
  assert.equal(thrown.code, code)
}

test('http_challenge knows a node by the name at which it serves the nonce', async (t) => {
  const node = await startNode(t)
  assert.deepEqual(await attest(node), {
    agentId: id('/spire/agent/http_challenge/p1.example.com'),
    selectors: ['http_challenge:hostname:p1.example.com'],
    canReattest: false,
    firstUse: true,
  })
  assert.deepEqual(node.asked, [
    '/.well-known/spiffe/nodeattestor/http_challenge/default/challenge',
  ])
})

test('without trust on first use a node attests again', async (t) => {
  const node = await startNode(t)
  const { canReattest, firstUse } = await attest(node, {}, { tofu: false, requiredPort: node.port })
  assert.deepEqual([canReattest, firstUse], [true, false])
})

test('the nonce of a challenge is new, and of the form SPIRE has', async (t) => {
  const node = await startNode(t)
  const nonces: string[] = []
  const answer: Challenge = (bytes) => {
    nonces.push(readHttpChallenge(bytes))
    return node.answer(bytes)
  }
  await attest({ ...node, answer })
  await attest({ ...node, answer })
  for (const nonce of nonces) assert.match(nonce, /^[A-Za-z0-9_-]{43}=$/)
  assert.notEqual(nonces[0], nonces[1])
})

test('a node that does not serve the nonce is refused, and not told what was expected', async (t) => {
  const node = await startNode(t)
  for (const says of ['', 'no such thing', 'A'.repeat(44), 'A'.repeat(65)]) {
    node.says = says
    await refused(
      attest(node),
      DENIED,
      /challenge verification failed: (what it serves|the answer is)/,
    )
  }
  const silent = () => Promise.resolve(Buffer.from('{}'))
  await refused(
    attest({ port: 1, answer: silent }),
    DENIED,
    /challenge verification failed: .*ECONN/,
  )
})

const REFUSED: readonly (readonly [
  Partial<HttpChallengePlace>,
  Partial<HttpChallengeConfig>,
  number,
  RegExp,
])[] = [
  [{ port: 81 }, { requiredPort: 80 }, INVALID, /port 81 is not allowed to be used by this server/],
  [{ port: 1024 }, { allowNonRootPorts: false }, INVALID, /port 1024 is not allowed to be >= 1024/],
  [{ agentName: 'def.ault' }, {}, INVALID, /agent name is not valid/],
  [{ hostName: 'a/b' }, {}, INVALID, /host name is not valid/],
  [{ hostName: 'localhost' }, {}, DENIED, /you can not use localhost as a hostname/],
  [{ hostName: 'a.LOCALHOST' }, {}, DENIED, /you can not use localhost as a hostname/],
  [
    {},
    { allowedDnsPatterns: ['q[0-9]\\.example\\.com'] },
    DENIED,
    /the requested hostname is not allowed to connect/,
  ],
  [
    { hostName: 'p1.example.com.evil.org' },
    { allowedDnsPatterns: ['p[0-9]\\.example\\.com'] },
    DENIED,
    /hostname is not allowed/,
  ],
  [
    { hostName: 'evil.p1.example.com' },
    { allowedDnsPatterns: ['a|p1\\.example\\.com'] },
    DENIED,
    /hostname is not allowed/,
  ],
]
for (const [place, config, code, text] of REFUSED)
  test(`${JSON.stringify(place)} is refused with ${JSON.stringify(config)}, and nothing is called`, async () => {
    const unasked = () => assert.fail('it was challenged')
    await refused(attest({ port: 80, answer: unasked }, place, config), code, text)
  })

test('a name that matches one of the patterns as a whole may connect', async (t) => {
  const node = await startNode(t)
  const allowedDnsPatterns = ['q1', '^p[0-9]\\.example\\.com$']
  assert.ok((await attest(node, {}, { allowedDnsPatterns })).firstUse)
})

test('a payload that is none is refused', async () => {
  const context = { address: undefined, signal: new AbortController().signal }
  for (const payload of ['', '[]', '{"hostname":"a"}'])
    await refused(
      attestorOf().attest(Buffer.from(payload), () => assert.fail('it was challenged'), context),
      INVALID,
      /./,
    )
})
