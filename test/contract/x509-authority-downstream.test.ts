/** CAs for servers below this one. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import type { ServerX509Authority } from '../../src/authority/authority.ts'
import { createIssuer, issueLeaf } from '../../src/certs/issuer.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { parseCertificate } from '../../src/certs/parse.ts'
import { CA_TTL, idOf, key, kinds, MINUTE, request, setting, verify } from './authorities.ts'

const below = await generateKey('ec-p384')
const asked = { spki: below.spki, ttlMs: 20 * MINUTE }

/** A chain that the server below would hand out. */
async function leafBelow(
  chain: readonly Buffer[],
  life: { readonly notBefore: number; readonly notAfter: number },
): Promise<readonly Buffer[]> {
  const [own] = chain
  assert(own !== undefined)
  const serial = Buffer.from([1])
  const { spiffeId } = request
  const issuer = createIssuer(own, below, 'downstream')
  const leaf = await issueLeaf(issuer, { ...life, spiffeId, dnsNames: [], spki: key.spki, serial })
  return [leaf, ...chain]
}

function anchorsOf(authority: ServerX509Authority): readonly Buffer[] {
  return authority.state.current.anchors.map((der) => Buffer.from(der))
}

for (const kind of kinds) {
  describe(`X509Authority for servers below, ${kind.name}`, () => {
    test('issueCa: what the CA below signs is verified by the anchors, which its chain does not hold', async () => {
      const { clock, open } = setting(kind)
      const authority = await open()
      const { chain, notBefore, notAfter, authorityId } = await authority.issueCa(asked)
      verify(authority, await leafBelow(chain, { notBefore, notAfter }), clock.now())
      for (const anchor of anchorsOf(authority)) assert.ok(!chain.some((der) => der.equals(anchor)))
      assert.equal(authorityId, idOf(authority.state.current, 'active'))

      await authority.prepare()
      await authority.activate()
      verify(authority, await leafBelow(chain, { notBefore, notAfter }), clock.now())
      await authority.close()
    })

    test('issueCa: says what a CA says (XC-*), of this trust domain, for the time asked for', async () => {
      const { clock, open } = setting(kind)
      const authority = await open()
      const issued = await authority.issueCa(asked)
      const ca = parseCertificate(issued.chain[0] ?? Buffer.alloc(0), 'ca')
      assert.deepEqual(ca.uriSans, ['spiffe://example.org'])
      assert.deepEqual([ca.dnsSans, ca.basicConstraints], [[], { ca: true }])
      assert.deepEqual(ca.keyUsage, { critical: true, usages: ['keyCertSign', 'cRLSign'] })
      assert.equal(ca.extendedKeyUsage, undefined)
      assert.ok(ca.spki.equals(below.spki))
      assert.match(ca.serial, /^[4-7][0-9A-F]{39}$/)
      assert.deepEqual([ca.notBefore, ca.notAfter], [issued.notBefore, issued.notAfter])
      assert.equal(issued.notBefore, clock.now() - 10_000)
      assert.equal(issued.notAfter, clock.now() + 20 * MINUTE)
      await authority.close()
    })

    test('issueCa: ends with what signs it at the latest', async () => {
      const { open } = setting(kind)
      const authority = await open()
      const { chain, notAfter } = await authority.issueCa({ ...asked, ttlMs: 100 * CA_TTL })
      const active = authority.state.current.slots.find((slot) => slot.status === 'active')
      assert.equal(notAfter, active?.notAfter)
      for (const der of chain) assert.ok(notAfter <= parseCertificate(der, 'ca').notAfter)
      await authority.close()
    })

    test('issueCa: refuses a key that is weak, of another kind or none', async () => {
      const { open } = setting(kind)
      const authority = await open()
      const encoding = { type: 'spki', format: 'der' } as const
      for (const spki of [
        generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export(encoding),
        generateKeyPairSync('ed25519').publicKey.export(encoding),
        Buffer.from([1, 2, 3]),
      ])
        await assert.rejects(authority.issueCa({ ...asked, spki }), { code: 'request_invalid' })
      await authority.close()
    })

    test('issueCa: not after close, and with an RSA key too', async () => {
      const { clock, open } = setting(kind)
      const authority = await open({ keyType: 'rsa-2048' })
      const { chain, ...life } = await authority.issueCa(asked)
      verify(authority, await leafBelow(chain, life), clock.now())
      await authority.close()
      await assert.rejects(authority.issueCa(asked), { code: 'authority_unavailable' })
    })
  })
}
