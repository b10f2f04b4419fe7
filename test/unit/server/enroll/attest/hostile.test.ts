import 'reflect-metadata'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  answerPopChallenge,
  readPopChallenge,
  writePopPayload,
  writePopResponse,
} from '../../../../../src/certs/proof/x509pop.ts'
import { SpindleError } from '../../../../../src/runtime/errors.ts'
import type { NodeAttestor } from '../../../../../src/server/enroll/attest/attestor.ts'
import { createHttpChallengeAttestor } from '../../../../../src/server/enroll/attest/http-challenge.ts'
import { createJoinTokenAttestor } from '../../../../../src/server/enroll/attest/join-token.ts'
import { createX509popAttestor } from '../../../../../src/server/enroll/attest/x509pop.ts'
import { writeHttpChallengePlace } from '../../../../../src/spiffe/http-challenge.ts'
import { WordedStatus } from '../../../../../src/wire/status.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { td } from '../../../../fakes/store-values.ts'
import { makeCa, makeCertificate, NOW, USAGE } from '../../../certs/make-certificate.ts'

const root = await makeCa({ name: 'CN=root' })
const inner = await makeCa({ name: 'CN=inner', by: root })
const rsa = await makeCertificate({
  name: 'CN=node-1',
  by: inner,
  keyType: 'rsa-2048',
  usage: USAGE.digitalSignature,
  uris: ['x509pop://example.org/a/b', 'spiffe://example.org/spire-exchange/a'],
})
const ec = await makeCertificate({ name: 'CN=node-2', by: inner, usage: USAGE.digitalSignature })
const random = createSeededRandom('hostile')
const parts = { trustDomain: td('example.org'), clock: createManualClock({ now: NOW }), random }

const x509pop = (mode: 'external-pki' | 'spiffe'): NodeAttestor =>
  createX509popAttestor({
    ...parts,
    config: {
      mode,
      caBundleFiles: [],
      svidPrefix: '/spire-exchange/',
      agentPathTemplate: '/x/{{ .Subject.CommonName }}',
      maxIntermediates: 4,
      maxRsaBits: 8192,
      verifyClientIp: false,
    },
    anchors: () => [root.der],
  })

const httpChallenge = createHttpChallengeAttestor({
  ...parts,
  config: { allowedDnsPatterns: [], requiredPort: undefined, allowNonRootPorts: true, tofu: true },
  lookup: (_name, _options, done) => done(new Error('nobody is there'), '', 4),
})

/** Bytes put in the place of others, cut off or doubled. */
const damage = fc.record({
  at: fc.nat(),
  bytes: fc.uint8Array({ maxLength: 4 }),
  drop: fc.nat({ max: 6 }),
})

function damaged(
  bytes: Uint8Array,
  { at, bytes: put, drop }: { at: number; bytes: Uint8Array; drop: number },
) {
  const start = at % (bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + drop)])
}

const answerOf = async (challenge: Uint8Array): Promise<Buffer> => {
  const asked = readPopChallenge(challenge)
  const { privateKey } = asked.family === 'rsa' ? rsa.key : ec.key
  return writePopResponse(await answerPopChallenge(asked, privateKey, random))
}

/** Whatever comes, a node is in or is refused on purpose; nothing of what it sent is in the words. */
async function judged(
  attestor: NodeAttestor,
  payload: Uint8Array,
  answer: (challenge: Uint8Array) => Promise<Uint8Array>,
): Promise<boolean> {
  const context = { address: '10.0.0.1', signal: new AbortController().signal }
  try {
    const { agentId, selectors } = await attestor.attest(payload, answer, context)
    assert.match(agentId, /^spiffe:\/\/example\.org\/spire\/agent\/[^/]/)
    for (const selector of selectors) assert.ok(selector.startsWith(`${attestor.type}:`))
    return true
  } catch (thrown) {
    if (thrown instanceof WordedStatus) assert.match(thrown.status.details, /^[\x20-\x7e]{1,512}$/)
    else assert.ok(thrown instanceof SpindleError, String(thrown))
    return false
  }
}

const chains = [[rsa, inner], [ec, inner], [ec]].map((chain) => chain.map(({ der }) => der))

test('x509pop lets nobody in with a certificate of which a byte is another', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('external-pki' as const, 'spiffe' as const),
      fc.constantFrom(...chains),
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      fc.nat({ max: 1 }),
      async (mode, chain, damages, which) => {
        const broken = chain.map((der, index) =>
          index === which % chain.length ? damages.reduce<Uint8Array>(damaged, der) : der,
        )
        const same = broken.every((der, index) => Buffer.from(der).equals(chain[index]!))
        const isIn = await judged(x509pop(mode), writePopPayload(broken), answerOf)
        assert.ok(!isIn || same)
      },
    ),
    { numRuns: 300 },
  )
})

test('x509pop refuses payloads and answers that are anything else', async () => {
  const payload = writePopPayload(chains[1]!)
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        damage.map((one) => damaged(payload, one)),
      ),
      (bytes) => judged(x509pop('external-pki'), bytes, answerOf).then(() => undefined),
    ),
    { numRuns: 200 },
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...chains.slice(0, 2)), damage, async (chain, one) => {
      let same = false
      const isIn = await judged(x509pop('external-pki'), writePopPayload(chain), async (asked) => {
        const answer = await answerOf(asked)
        const sent = damaged(answer, one)
        // White space, and a number that is written in another way, are no other answer.
        same = sent.equals(answer)
        return sent
      })
      assert.ok(isIn || !same)
    }),
    { numRuns: 200 },
  )
})

test('http_challenge refuses whatever is no place', async () => {
  const place = writeHttpChallengePlace({ hostName: 'p1.example.com', agentName: 'a', port: 80 })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 100 }),
        damage.map((one) => damaged(place, one)),
        fc
          .record({ hostname: fc.string(), agentname: fc.string(), port: fc.integer() })
          .map((value) => Buffer.from(JSON.stringify(value))),
      ),
      async (payload) => {
        assert.equal(
          await judged(httpChallenge, payload, () => Promise.resolve(Buffer.of())),
          false,
        )
      },
    ),
    { numRuns: 300 },
  )
})

test('join_token asks the store for no text that no token could have', async () => {
  const asked: string[] = []
  const attestor = createJoinTokenAttestor({
    ...parts,
    joinTokens: {
      get: (text) => {
        asked.push(text)
        return Promise.resolve(undefined)
      },
    },
  })
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (payload) => {
      assert.equal(await judged(attestor, payload, () => assert.fail('it was challenged')), false)
    }),
    { numRuns: 300 },
  )
  for (const text of ['a/b', 'a-token'])
    await judged(attestor, Buffer.from(text), () => assert.fail('it was challenged'))
  for (const text of asked) assert.match(text, /^[A-Za-z0-9._-]+$/)
  assert.equal(asked.at(-1), 'a-token')
})
