/** A trust domain, its CA and the X.509-SVIDs of its members, for tests of the server's door. */
import { createIssuer, createRootCertificate, issueLeaf } from '../../../../src/certs/issuer.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import type { DoorKey } from '../../../../src/server/admit/handshake.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainId } from '../../../../src/spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'

const MINUTE_MS = 60_000

export interface Fleet {
  readonly trustDomain: TrustDomain
  /** DER. */
  readonly root: Buffer
  readonly authorities: ReadonlyMap<TrustDomain, readonly Uint8Array[]>
  /** An X.509-SVID of `path`, with `serial` and an end. */
  sign(
    path: string,
    options?: { readonly serial?: number; readonly notAfter?: number },
  ): Promise<DoorKey>
  id(path: string): SpiffeId
}

export async function createFleet(name = 'example.org', now = Date.now()): Promise<Fleet> {
  const trustDomain = parseTrustDomain(name)
  const key = await generateKey('ec-p256')
  const life = { notBefore: now - 60 * MINUTE_MS, notAfter: now + 60 * MINUTE_MS }
  const serial = Buffer.from([1, 1])
  const root = await createRootCertificate(key, {
    trustDomainId: trustDomainId(trustDomain),
    serial,
    ...life,
  })
  const issuer = createIssuer(root, key, 'the CA')
  const id = (path: string): SpiffeId => parseSpiffeId(`spiffe://${name}${path}`)
  return {
    trustDomain,
    root,
    authorities: new Map([[trustDomain, [root]]]),
    id,
    async sign(path, { serial: number = 77, notAfter = now + 30 * MINUTE_MS } = {}) {
      const own = await generateKey('ec-p256')
      const leaf = await issueLeaf(issuer, {
        spiffeId: id(path),
        dnsNames: [],
        spki: own.spki,
        serial: Buffer.from([number]),
        notBefore: now - 50 * MINUTE_MS,
        notAfter,
      })
      return { chain: [leaf], pkcs8: own.pkcs8 }
    },
  }
}
