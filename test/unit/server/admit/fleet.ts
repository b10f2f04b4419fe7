/** A trust domain, its CA and the X.509-SVIDs of its members, for tests of the server's door. */
import {
  createIntermediateCertificate,
  createIssuer,
  createRootCertificate,
  issueLeaf,
} from '../../../../src/certs/issuer.ts'
import type { Issuer } from '../../../../src/certs/issuer.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import type { DoorKey } from '../../../../src/server/admit/handshake.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainId } from '../../../../src/spiffe/spiffe-id.ts'
import type { SpiffeId, TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'

const MINUTE_MS = 60_000

interface Leaf {
  readonly serial?: number
  readonly notAfter?: number
}

export interface Fleet {
  readonly trustDomain: TrustDomain
  /** DER. */
  readonly root: Buffer
  readonly authorities: ReadonlyMap<TrustDomain, readonly Uint8Array[]>
  /** An X.509-SVID of `path`. */
  sign(path: string, leaf?: Leaf): Promise<DoorKey>
  /** The same by an intermediate CA, which the chain then holds. */
  signBelow(path: string): Promise<DoorKey>
  id(path: string): SpiffeId
}

export async function createFleet(name = 'example.org', now = Date.now()): Promise<Fleet> {
  const trustDomain = parseTrustDomain(name)
  const key = await generateKey('ec-p256')
  const ca = (serial: number) => ({
    trustDomainId: trustDomainId(trustDomain),
    serial: Buffer.from([1, serial]),
    notBefore: now - 60 * MINUTE_MS,
    notAfter: now + 60 * MINUTE_MS,
  })
  const root = await createRootCertificate(key, ca(1))
  const issuer = createIssuer(root, key, 'the CA')
  const id = (path: string): SpiffeId => parseSpiffeId(`spiffe://${name}${path}`)
  const leafOf = async (by: Issuer, path: string, leaf: Leaf = {}): Promise<DoorKey> => {
    const own = await generateKey('ec-p256')
    const der = await issueLeaf(by, {
      spiffeId: id(path),
      dnsNames: [],
      spki: own.spki,
      serial: Buffer.from([leaf.serial ?? 77]),
      notBefore: now - 50 * MINUTE_MS,
      notAfter: leaf.notAfter ?? now + 30 * MINUTE_MS,
    })
    return { chain: [der], pkcs8: own.pkcs8 }
  }
  return {
    trustDomain,
    root,
    authorities: new Map([[trustDomain, [root]]]),
    id,
    sign: (path, leaf) => leafOf(issuer, path, leaf),
    async signBelow(path) {
      const below = await generateKey('ec-p256')
      const der = await createIntermediateCertificate(issuer, below, ca(2))
      const { chain, pkcs8 } = await leafOf(createIssuer(der, below, 'the CA below'), path)
      return { chain: [...chain, der], pkcs8 }
    },
  }
}
