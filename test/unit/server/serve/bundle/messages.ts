/** Certificates and keys for bundles, made once. */
import { generateKeyPairSync } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Bundle, BundleSchema } from '#spire/api/types/bundle_pb.js'
import { createFleet } from '../../admit/fleet.ts'

export type BundleInit = Exclude<MessageInitShape<typeof BundleSchema>, Bundle>

const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const fleets = await Promise.all(['one.test', 'two.test'].map((name) => createFleet(name)))
/** DER. */
export const [ROOT, OTHER_ROOT] = fleets.map(({ root }) => plain(root)) as [Uint8Array, Uint8Array]

const spki = (namedCurve: string): Uint8Array =>
  plain(generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'der' }))
/** DER SubjectPublicKeyInfo. */
export const [KEY, OTHER_KEY] = [spki('P-256'), spki('P-256')]
/** Of a kind that signs no JWT-SVID. */
export const WRONG_KEY = plain(
  generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }),
)

/** A bundle with each field. */
export function full(trustDomain: string): BundleInit {
  return {
    trustDomain,
    x509Authorities: [{ asn1: ROOT, tainted: true }, { asn1: OTHER_ROOT }],
    jwtAuthorities: [{ keyId: 'j', publicKey: KEY, expiresAt: 2_000_000_000n, tainted: true }],
    witAuthorities: [{ keyId: 'w', publicKey: OTHER_KEY }],
    refreshHint: 60n,
    sequenceNumber: 9n,
  }
}
