import 'reflect-metadata'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answerPopChallenge,
  readPopChallenge,
  writePopPayload,
  writePopResponse,
} from '../../../../../src/certs/proof/x509pop.ts'
import { openNodeAttestors } from '../../../../../src/server/enroll/attest/node-attestors.ts'
import { createLog } from '../../../../../src/telemetry/log.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { bundle, id, td } from '../../../../fakes/store-values.ts'
import { makeCa, makeCertificate, NOW, USAGE } from '../../../certs/make-certificate.ts'

const trustDomain = td('example.org')
const random = createSeededRandom('node attestors')
const clock = createManualClock({ now: NOW })
const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })

test('mode spiffe believes the authorities of the own bundle as it is, and none that is tainted', async (t) => {
  const [old, next] = [await makeCa({ name: 'CN=old' }), await makeCa({ name: 'CN=next' })]
  let tainted = false
  const attestors = openNodeAttestors({
    config: {
      joinToken: undefined,
      httpChallenge: undefined,
      x509pop: {
        mode: 'spiffe',
        caBundleFiles: [],
        svidPrefix: '/spire-exchange/',
        agentPathTemplate: '/{{ .PluginName }}/{{ .SVIDPathTrimmed }}',
        maxIntermediates: 4,
        maxRsaBits: 8192,
        verifyClientIp: false,
      },
    },
    trustDomain,
    clock,
    random,
    log,
    joinTokens: { get: () => assert.fail('no token was given') },
    registry: {
      bundle: (name) =>
        bundle(name, {
          x509Authorities: [
            { certificate: old.der, tainted },
            { certificate: next.der, tainted: false },
          ],
        }),
    },
  })
  t.after(() => attestors.close())
  assert.deepEqual(Array.from(attestors.byType.keys()), ['x509pop'])
  const attest = async (by: typeof old) => {
    const uris = ['spiffe://example.org/spire-exchange/rack/7']
    const svid = await makeCertificate({ name: 'CN=svid', by, uris, usage: USAGE.digitalSignature })
    return await attestors.byType
      .get('x509pop')!
      .attest(
        writePopPayload([svid.der]),
        async (bytes) =>
          writePopResponse(
            await answerPopChallenge(readPopChallenge(bytes), svid.key.privateKey, random),
          ),
        { address: '10.0.0.1', signal: new AbortController().signal },
      )
  }
  for (const by of [old, next])
    assert.equal((await attest(by)).agentId, id('/spire/agent/x509pop/rack/7'))
  tainted = true
  await assert.rejects(attest(old), (thrown: { status: { code: number; details: string } }) => {
    assert.equal(thrown.status.code, 7)
    assert.match(thrown.status.details, /certificate verification failed/)
    return true
  })
  assert.equal((await attest(next)).agentId, id('/spire/agent/x509pop/rack/7'))
})
