import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import {
  CA_TTL,
  idOf,
  key,
  kinds,
  MINUTE,
  request,
  setting,
  statuses,
  verify,
} from './authorities.ts'

for (const kind of kinds) {
  describe(`X509Authority, ${kind.name}`, () => {
    test('issue: gives a chain, leaf first, that leads to an anchor and does not hold it', async () => {
      const { clock, open } = setting(kind)
      const authority = await open()
      const svid = await authority.issue({ ...request, dnsNames: ['web.example.org'] })
      verify(authority, svid.chain, clock.now())
      const anchors = authority.state.current.anchors.map((der) => Buffer.from(der))
      assert.ok(anchors.length > 0)
      assert.ok(!svid.chain.some((der) => anchors.some((anchor) => anchor.equals(der))))
      const leaf = new X509Certificate(svid.chain[0] as Buffer)
      assert.match(leaf.subjectAltName ?? '', /web\.example\.org/)
      assert.ok(leaf.publicKey.export({ type: 'spki', format: 'der' }).equals(key.spki))
      await authority.close()
    })

    test('issue: begins 10 s back and ends after the time asked for, as its certificate says', async () => {
      const { clock, open } = setting(kind)
      const authority = await open()
      const svid = await authority.issue(request)
      assert.equal(svid.issuedAt, clock.now())
      assert.equal(svid.notBefore, clock.now() - 10_000)
      assert.equal(svid.notAfter, clock.now() + 10 * MINUTE)
      assert.equal(svid.authorityId, idOf(authority.state.current, 'active'))
      const leaf = new X509Certificate(svid.chain[0] as Buffer)
      assert.equal(Date.parse(leaf.validFrom), svid.notBefore)
      assert.equal(Date.parse(leaf.validTo), svid.notAfter)
      await authority.close()
    })

    test('issue: an SVID never outlives a certificate of its chain, nor its authority', async () => {
      const { open } = setting(kind)
      const authority = await open()
      const svid = await authority.issue({ ...request, ttlMs: 100 * CA_TTL })
      const active = authority.state.current.slots.find((slot) => slot.status === 'active')
      assert.equal(svid.notAfter, active?.notAfter)
      for (const der of svid.chain) {
        assert.ok(svid.notAfter <= Date.parse(new X509Certificate(der).validTo))
      }
      await authority.close()
    })

    test('issue: every serial number is positive, of 20 octets, and its own, across a restart too', async () => {
      const { open } = setting(kind)
      const serials = new Set<string>()
      for (let run = 0; run < 2; run++) {
        const authority = await open()
        for (let each = 0; each < 20; each++) {
          const { chain } = await authority.issue(request)
          const serial = new X509Certificate(chain[0] as Buffer).serialNumber
          assert.match(serial, /^[4-7][0-9A-F]{39}$/)
          serials.add(serial)
        }
        await authority.close()
      }
      assert.equal(serials.size, 40)
    })

    if (kind.name !== 'embedded')
      test('taint, revoke: are refused, because the anchor above would be trusted all the same', async () => {
        const { open } = setting(kind)
        const authority = await open()
        await authority.prepare()
        await authority.activate()
        const old = idOf(authority.state.current, 'old') ?? ''
        await assert.rejects(authority.taint(old), { code: 'precondition_failed' })
        await assert.rejects(authority.revoke(old), { code: 'precondition_failed' })
        assert.deepEqual(statuses(authority.state.current), ['old', 'active'])
        await authority.close()
      })

    for (const keyType of ['ec-p384', 'rsa-2048'] as const) {
      test(`issue: with a CA key of ${keyType}`, async () => {
        const { clock, open } = setting(kind)
        const authority = await open({ keyType })
        verify(authority, (await authority.issue(request)).chain, clock.now())
        await authority.close()
        const again = await open({ keyType })
        assert.deepEqual(again.state.current.slots, authority.state.current.slots)
        await again.close()
      })
    }
  })
}
