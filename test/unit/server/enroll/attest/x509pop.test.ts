import 'reflect-metadata'
import assert from 'node:assert/strict'
import { generateKeyPairSync, hash } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { test } from 'node:test'
import * as x509 from '@peculiar/x509'
import {
  answerPopChallenge,
  readPopChallenge,
  writePopPayload,
  writePopResponse,
} from '../../../../../src/certs/proof/x509pop.ts'
import type { PopResponse } from '../../../../../src/certs/proof/x509pop.ts'
import type { KeyPair } from '../../../../../src/certs/keys.ts'
import type { X509popConfig } from '../../../../../src/config/server/node-attestors.ts'
import { parseSelector } from '../../../../../src/registration/selector.ts'
import type { Attested, Challenge } from '../../../../../src/server/enroll/attest/attestor.ts'
import { createX509popAttestor } from '../../../../../src/server/enroll/attest/x509pop.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { id, td } from '../../../../fakes/store-values.ts'
import {
  HOUR,
  makeCa,
  makeCertificate,
  NOW,
  rawExtension,
  USAGE,
} from '../../../certs/make-certificate.ts'
import type { Made, Wanted } from '../../../certs/make-certificate.ts'

const root = await makeCa({ name: 'CN=root' })
const inner = await makeCa({ name: 'CN=inner', by: root })
const node = (wanted: Wanted = {}): Promise<Made> =>
  makeCertificate({ name: 'CN=node-1', by: root, usage: USAGE.digitalSignature, ...wanted })
const leaf = await node()

const random = createSeededRandom('x509pop')
const fingerprint = ({ der }: Made): string => hash('sha1', der, 'hex')
const serial = ({ der }: Made): string => new x509.X509Certificate(new Uint8Array(der)).serialNumber

interface Setting {
  readonly config?: Partial<X509popConfig>
  readonly anchors?: readonly Made[]
  readonly address?: string
  readonly now?: number
}

const attestorOf = ({ config, anchors = [root], now = NOW }: Setting) =>
  createX509popAttestor({
    config: {
      mode: 'external-pki',
      caBundleFiles: [],
      svidPrefix: '/spire-exchange/',
      agentPathTemplate: '/{{ .PluginName }}/{{ .Fingerprint }}',
      maxIntermediates: 4,
      maxRsaBits: 8192,
      verifyClientIp: false,
      ...config,
    },
    trustDomain: td('example.org'),
    clock: createManualClock({ now }),
    random,
    anchors: () => anchors.map(({ der }) => der),
  })

const context = (address = '10.0.0.1') => ({ address, signal: new AbortController().signal })

/** What the holder of `key` answers. */
const holder =
  (key: Pick<KeyPair, 'privateKey'>): Challenge =>
  async (bytes) =>
    writePopResponse(await answerPopChallenge(readPopChallenge(bytes), key.privateKey, random))

const attest = (
  chain: readonly Made[],
  setting: Setting = {},
  answer: Challenge = holder(chain[0]!.key),
): Promise<Attested> =>
  attestorOf(setting).attest(
    writePopPayload(chain.map(({ der }) => der)),
    answer,
    context(setting.address),
  )

async function refused(attempt: Promise<unknown>, code: number, text: RegExp): Promise<void> {
  const thrown = await attempt.then(
    () => assert.fail('it was taken'),
    (error: { status: { code: number; details: string } }) => error.status,
  )
  assert.match(thrown.details, text)
  assert.ok(thrown.details.startsWith('nodeattestor(x509pop): '))
  assert.equal(thrown.code, code)
}

const [INVALID, DENIED, INTERNAL] = [3, 7, 13]

test('x509pop knows a node by its certificate, and says of it what SPIRE does', async () => {
  assert.deepEqual(await attest([leaf]), {
    agentId: id(`/spire/agent/x509pop/${fingerprint(leaf)}`),
    selectors: [
      'x509pop:subject:cn:node-1',
      `x509pop:ca:fingerprint:${fingerprint(root)}`,
      `x509pop:serialnumber:${serial(leaf)}`,
    ],
    canReattest: true,
    firstUse: false,
  })
})

test('every certificate above that of the node is a selector, and those that are not are none', async () => {
  const below = await node({ by: inner })
  const stray = await makeCa({ name: 'CN=stray' })
  const { selectors } = await attest([below, stray, inner])
  const cas = selectors.filter((selector) => selector.startsWith('x509pop:ca:'))
  assert.deepEqual(
    cas.sort(),
    [fingerprint(inner), fingerprint(root)].map((one) => `x509pop:ca:fingerprint:${one}`).sort(),
  )
  // Cross-signed: two ways up, one name.
  const other = await makeCa({ name: 'CN=other root' })
  const crossed = await makeCa({ name: 'CN=inner', key: inner.key, by: other })
  const both = await attest([below, inner, crossed], { anchors: [root, other] })
  const found = both.selectors.filter((selector) => selector.startsWith('x509pop:ca:'))
  assert.deepEqual(
    found.sort(),
    [inner, root, crossed, other].map((one) => `x509pop:ca:fingerprint:${fingerprint(one)}`).sort(),
  )
  // One that leads nowhere vouches for nothing, though its key signed.
  const dead = await attest([below, inner, crossed])
  assert.ok(dead.selectors.includes(parseSelector(`x509pop:ca:fingerprint:${fingerprint(inner)}`)))
  assert.ok(!dead.selectors.some((selector) => selector.endsWith(fingerprint(crossed))))
})

test('URI SANs of the own trust domain are selectors and fields of the path', async () => {
  const named = await node({
    uris: [
      'x509pop://example.org/datacenter/eu-1',
      'x509pop://example.org/rack/row%201/7',
      'x509pop://example.org/nothing',
      'x509pop://other.org/datacenter/us-1',
      'spiffe://example.org/web',
    ],
  })
  const { selectors, agentId } = await attest([named], {
    config: { agentPathTemplate: '/dc/{{ .URISanSelectors.datacenter }}/{{ .SerialNumberHex }}' },
  })
  assert.deepEqual(
    selectors.filter((selector) => selector.startsWith('x509pop:san:')),
    ['x509pop:san:datacenter:eu-1', 'x509pop:san:rack:row 1/7'],
  )
  assert.equal(agentId, id(`/spire/agent/dc/eu-1/${serial(named)}`))
})

test('the path of an agent is as the template says, and a certificate that it does not fit is refused', async () => {
  const config = { agentPathTemplate: '/cn/{{ .Subject.CommonName }}' }
  assert.equal((await attest([leaf], { config })).agentId, id('/spire/agent/cn/node-1'))
  const wrong = /failed to make spiffe id/
  for (const name of ['O=nobody', 'CN=a b', 'CN=../server', 'CN=a//b', 'CN=.'])
    await refused(attest([await node({ name })], { config }), INTERNAL, wrong)
})

for (const keyType of ['ec-p384', 'rsa-2048'] as const)
  test(`x509pop takes a key of ${keyType}`, async () => {
    assert.equal((await attest([await node({ keyType })])).canReattest, true)
  })

test('mode spiffe exchanges an X.509-SVID below its prefix for one of an agent', async () => {
  const config = {
    mode: 'spiffe',
    agentPathTemplate: '/{{ .PluginName }}/{{ .SVIDPathTrimmed }}',
  } as const
  const svid = (uri: string, wanted: Wanted = {}) => node({ ca: false, uris: [uri], ...wanted })
  const good = await svid('spiffe://example.org/spire-exchange/rack/testhost')
  const { agentId } = await attest([good], { config })
  assert.equal(agentId, id('/spire/agent/x509pop/rack/testhost'))
  const other = await svid('spiffe://example.org/other/testhost')
  await refused(attest([other], { config }), DENIED, /doesnt match SVID prefix/)
  const any = { ...config, svidPrefix: '/' }
  assert.equal(
    (await attest([other], { config: any })).agentId,
    id('/spire/agent/x509pop/other/testhost'),
  )
  for (const uri of ['spiffe://other.org/spire-exchange/a', 'https://example.org/spire-exchange/a'])
    await refused(attest([await svid(uri)], { config }), DENIED, /valid SVID x509 cert not found/)
  await refused(attest([await node()], { config }), DENIED, /valid SVID x509 cert not found/)
})

test('a certificate of nobody that is trusted, or not valid now, proves nothing', async () => {
  const stranger = await makeCa({ name: 'CN=root' })
  const failed = /certificate verification failed/
  await refused(attest([await node({ by: stranger })]), DENIED, failed)
  await refused(attest([await node({ by: inner })]), DENIED, failed)
  await refused(attest([leaf], { anchors: [] }), DENIED, failed)
  await refused(attest([await node({ notAfter: NOW - 1_000 })]), DENIED, /has expired/)
  await refused(attest([await node({ notBefore: NOW + 1_000 })]), DENIED, /not valid yet/)
  await refused(attest([leaf], { now: NOW + 2 * HOUR }), DENIED, failed)
  const noCa = await node({ name: 'CN=no ca', ca: false, usage: USAGE.keyCertSign })
  await refused(attest([await node({ by: noCa }), noCa]), DENIED, /is not a CA/)
  const strange = await node({ more: [rawExtension('1.2.3.4', true, '0500')] })
  await refused(attest([strange]), DENIED, /critical extension/)
})

test('a certificate whose key is for something else, or of another kind, is asked nothing', async () => {
  const unasked: Challenge = () => assert.fail('it was asked')
  const sealed = await node({ usage: USAGE.keyEncipherment })
  const why = /unable to generate challenge: certificate not intended for digital signature use/
  await refused(attest([sealed], {}, unasked), INTERNAL, why)
  const { usage: _, ...none } = { usage: 0 }
  const bare = await makeCertificate({ name: 'CN=node', by: root, ...none })
  await refused(attest([bare], {}, unasked), INTERNAL, why)
  const ed = generateKeyPairSync('ed25519')
  const spki = ed.publicKey.export({ type: 'spki', format: 'der' })
  const edLeaf = await node({ key: { ...leaf.key, spki } })
  await refused(attest([edLeaf], {}, unasked), INTERNAL, /unsupported public key type/)
})

test('only the holder of the key, for this nonce and this time, answers right', async () => {
  const wrong = /challenge response verification failed: ECDSA signature verify failed/
  const other = await node()
  await refused(attest([leaf], {}, holder(other.key)), DENIED, wrong)
  let before: Uint8Array | undefined
  await attest([leaf], {}, async (bytes) => (before = await holder(leaf.key)(bytes)))
  await refused(
    attest([leaf], {}, () => Promise.resolve(before!)),
    DENIED,
    wrong,
  )
  const swapped: Challenge = async (bytes) => {
    const { family } = readPopChallenge(bytes)
    const challenge = { family, nonce: Buffer.alloc(32) }
    return writePopResponse(await answerPopChallenge(challenge, leaf.key.privateKey, random))
  }
  await refused(attest([leaf], {}, swapped), DENIED, wrong)
  const rsa: PopResponse = { family: 'rsa', nonce: Buffer.alloc(32), signature: Buffer.alloc(256) }
  await refused(
    attest([leaf], {}, () => Promise.resolve(writePopResponse(rsa))),
    DENIED,
    wrong,
  )
  const garbage = () => Promise.resolve(Buffer.from('{}'))
  await refused(attest([leaf], {}, garbage), INVALID, /unable to unmarshal challenge response/)
  const rsaLeaf = await node({ keyType: 'rsa-2048' })
  const own = (key: KeyObject): Challenge => holder({ privateKey: key })
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  await refused(attest([rsaLeaf], {}, own(stranger)), DENIED, /RSA signature verify failed/)
})

test('what is no payload, or too dear to look at, is refused before anything is verified', async () => {
  const send = (payload: string | Uint8Array, config: Partial<X509popConfig> = {}) =>
    attestorOf({ config }).attest(
      Buffer.from(payload),
      () => assert.fail('it was asked'),
      context(),
    )
  await refused(send('nonsense'), INVALID, /failed to unmarshal data/)
  await refused(send('{"certificates":[]}'), INVALID, /no certificate to attest/)
  await refused(send('{"certificates":["AQID"]}'), INVALID, /unable to parse leaf certificate/)
  const chain = (...ders: readonly Uint8Array[]) => writePopPayload(ders)
  await refused(
    send(chain(leaf.der, Buffer.of(1))),
    INVALID,
    /unable to parse intermediate certificate 0/,
  )
  const many = chain(leaf.der, ...Array.from({ length: 5 }, () => inner.der))
  await refused(send(many), INVALID, /too many intermediate certificates: 5, maximum allowed: 4/)
  const long = generateKeyPairSync('rsa', { modulusLength: 2056 }).publicKey
  const rsa = await node({
    key: { ...leaf.key, spki: long.export({ type: 'spki', format: 'der' }) },
  })
  const small = { maxRsaBits: 2048 }
  await refused(send(chain(rsa.der), small), INVALID, /RSA key size 2056 exceeds .* 2048/)
  await refused(
    send(chain(leaf.der, rsa.der), small),
    INVALID,
    /intermediate certificate 0: RSA key/,
  )
  const short = generateKeyPairSync('rsa', { modulusLength: 512 }).publicKey
  const weak = await node({
    key: { ...leaf.key, spki: short.export({ type: 'spki', format: 'der' }) },
  })
  await refused(send(chain(weak.der)), INVALID, /RSA key size 512 is below 1024/)
  const odd = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 2 ** 32 - 5 })
  const spki = odd.publicKey.export({ type: 'spki', format: 'der' })
  const dear = await node({ key: { ...leaf.key, spki } })
  await refused(send(chain(dear.der)), INVALID, /exponent/)
})

test('verifyClientIp holds a node to the addresses in its certificate', async () => {
  const sans = [
    { type: 'ip', value: '10.0.0.1' } as const,
    { type: 'ip', value: '2001:db8::1' } as const,
  ]
  const fixed = await node({ more: [new x509.SubjectAlternativeNameExtension(sans)] })
  const config = { verifyClientIp: true }
  for (const address of ['10.0.0.1', '2001:db8::1'])
    assert.equal((await attest([fixed], { config, address })).canReattest, true)
  await refused(attest([fixed], { config, address: '10.0.0.2' }), DENIED, /client IP/)
  await refused(attest([leaf], { config }), DENIED, /client IP/)
})
