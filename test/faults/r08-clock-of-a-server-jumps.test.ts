/** R08: the wall clock of a server jumps by an hour, either way. What it signs is valid at once by its clock, or by the right one. */
import assert from 'node:assert/strict'
import { connect } from 'node:tls'
import { test } from 'node:test'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { parseCertificate, verifyX509Svid } from '../../src/certs/parse.ts'
import { Bundle } from '../../src/gen/spire/api/server/bundle/v1/bundle_pb.js'
import { SVID } from '../../src/gen/spire/api/server/svid/v1/svid_pb.js'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { startServer } from '../e2e/rig/server.ts'
import type { FleetServer } from '../e2e/rig/server.ts'
import { fakedTime } from './faked-time.ts'

const HOUR = 3_600_000
const CALL = { deadlineMs: 20_000 }
const trustDomain = parseTrustDomain('example.org')
const spiffeId = parseSpiffeId('spiffe://example.org/web')

async function anchors({ local }: FleetServer): Promise<readonly Uint8Array[]> {
  const { x509Authorities } = await local.call(Bundle.method.getBundle, {}, CALL)
  return x509Authorities.map(({ asn1 }) => asn1)
}

async function mint({ local }: FleetServer): Promise<readonly Uint8Array[]> {
  const csr = await writeCsr(await generateKey('ec-p256'), { spiffeId })
  const { svid } = await local.call(SVID.method.mintX509SVID, { csr }, CALL)
  return svid?.certChain ?? []
}

/** What the server shows to agents that connect now. */
function shown({ address }: FleetServer): Promise<Uint8Array> {
  const [host = '', port = ''] = address.split(':')
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] },
      () => {
        resolve(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0))
        socket.destroy()
      },
    )
    socket.once('error', reject)
  })
}

test('R08: after each jump of its clock a server signs on under the CA that agents know, and shows them a certificate that is valid', async (t) => {
  const rig = createRig(t)
  const time = fakedTime(t, rig, 'time')
  if (time === undefined) return
  const server = await startServer(`${rig.folder}/server`, { env: time.env })
  t.after(() => server.stop())
  const [first] = await anchors(server)
  assert(first !== undefined)
  const bundles = new Map<TrustDomain, readonly Uint8Array[]>([[trustDomain, [first]]])
  for (const offset of [-HOUR, 0, HOUR, 0]) {
    time.set(offset)
    const chain = await mint(server)
    // By the first CA, for those who know no other; with the right time where the clock went back to before it.
    const now = Date.now() + Math.max(offset, 0) + 2_000
    assert.equal(verifyX509Svid(chain, bundles, { now, mode: 'strict' }), spiffeId)
    await eventually(`a certificate that is valid at ${offset}`, async () => {
      const { notBefore, notAfter } = parseCertificate(await shown(server), 'the server')
      return notBefore <= now && now < notAfter
    })
    assert.deepEqual((await anchors(server))[0], first)
  }
})
