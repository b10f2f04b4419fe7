import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { parseCertificate } from '../../../../src/certs/parse.ts'
import { createPeerVerifier } from '../../../../src/server/admit/verify-peer.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { NOW, SERVER_AUTH, bundlesOf, makeCa, makeLeaf } from '../../certs/make-certificate.ts'
import { createFleet } from './fleet.ts'

test('PeerVerifier reads the SPIFFE ID, the serial in decimal, the end and the signer of an SVID', async () => {
  const clock = createManualClock()
  const fleet = await createFleet('example.org', clock.now())
  const verifier = createPeerVerifier({ clock, authorities: () => fleet.authorities })
  const notAfter = clock.now() + 60_000
  const { chain } = await fleet.sign('/spire/agent/x', { serial: 77, notAfter })
  const svid = verifier.verify(chain)
  const authorityId = parseCertificate(fleet.root, 'the CA').subjectKeyId
  const spiffeId = fleet.id('/spire/agent/x')
  assert.deepEqual(svid, { spiffeId, serial: '77', notAfter, authorityId, chain })
  assert.equal(verifier.faultOf(svid), undefined)
})

test('PeerVerifier refuses what is no SVID of an authority it has, with a code', async () => {
  const clock = createManualClock()
  const [fleet, other] = [
    await createFleet('example.org', clock.now()),
    await createFleet('other.org', clock.now()),
  ]
  const verifier = createPeerVerifier({ clock, authorities: () => fleet.authorities })
  const late = await fleet.sign('/x', { notAfter: clock.now() - 1_000 })
  for (const [chain, message] of [
    [late.chain, /has expired/],
    [(await other.sign('/x')).chain, /no authorities of other\.org/],
    [[fleet.root], /not an X\.509-SVID/],
    [[Buffer.from('no certificate')], /certificate 1/],
  ] as const)
    assert.throws(() => verifier.verify(chain), { code: 'svid_refused', message })
})

test('PeerVerifier says of an SVID that was good when it has expired, also after the clock went back', async () => {
  const clock = createManualClock()
  const fleet = await createFleet('example.org', clock.now())
  const verifier = createPeerVerifier({ clock, authorities: () => fleet.authorities })
  const { chain } = await fleet.sign('/x', { notAfter: clock.now() + 60_000 })
  const svid = verifier.verify(chain)
  clock.jump(60_001)
  assert.equal(verifier.faultOf(svid), 'expired')
  clock.jump(-60_001)
  assert.equal(verifier.faultOf(svid), undefined)
})

test('PeerVerifier says at once when the authority of an SVID is gone, and after 10 s when it has ended by itself', async () => {
  const clock = createManualClock()
  const fleet = await createFleet('example.org', clock.now())
  let authorities = fleet.authorities
  const verifier = createPeerVerifier({ clock, authorities: () => authorities })
  const svid = verifier.verify((await fleet.sign('/x')).chain)
  authorities = new Map([[fleet.trustDomain, []]])
  assert.equal(verifier.faultOf(svid), 'untrusted')
  assert.equal(verifier.faultOf(svid), 'untrusted')
  authorities = fleet.authorities
  assert.equal(verifier.faultOf(svid), undefined)
  // The same Map: nothing tells, so it is looked at again after a while.
  ;(authorities as Map<unknown, unknown>).clear()
  await clock.advance(9_999)
  assert.equal(verifier.faultOf(svid), undefined)
  await clock.advance(1)
  assert.equal(verifier.faultOf(svid), 'untrusted')
})

test('PeerVerifier takes no certificate that is not made to authenticate a client', async () => {
  const clock = createManualClock({ now: NOW })
  const ca = await makeCa()
  const authorities = bundlesOf({ 'example.org': [ca] })
  const verifier = createPeerVerifier({ clock, authorities: () => authorities })
  assert.equal(
    verifier.verify([(await makeLeaf({ by: ca })).der]).spiffeId,
    'spiffe://example.org/web',
  )
  const serverOnly = await makeLeaf({ by: ca, purposes: [SERVER_AUTH] })
  assert.throws(() => verifier.verify([serverOnly.der]), {
    code: 'svid_refused',
    message: /client/,
  })
})

test('PeerVerifier takes no chain with a key that a client has made up to keep it busy', async () => {
  const clock = createManualClock({ now: NOW })
  const ca = await makeCa()
  const leaf = await makeLeaf({ by: ca })
  const verifier = createPeerVerifier({
    clock,
    authorities: () => bundlesOf({ 'example.org': [ca] }),
  })
  const verified = async (bits: number, exponent: string): Promise<string> => {
    const modulus = Buffer.alloc(bits / 8, 0xff)
    const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: exponent }
    const key = createPublicKey({ format: 'jwk', key: jwk })
    const spki = key.export({ type: 'spki', format: 'der' })
    const dear = await makeCa({ by: ca, key: { ...leaf.key, spki } })
    return verifier.verify([leaf.der, dear.der]).spiffeId
  }
  const refusal = { code: 'svid_refused', message: /RSA key/ }
  assert.equal(await verified(8192, 'AQAB'), 'spiffe://example.org/web')
  await assert.rejects(verified(8200, 'AQAB'), refusal)
  // 2^31 and a little.
  await assert.rejects(verified(2048, 'gAAAAQ'), refusal)
})
