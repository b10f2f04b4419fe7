/** Bundles between messages (`spire.api.types.Bundle`) and values. */
import { create } from '@bufbuild/protobuf'
import { BundleSchema } from '../../../gen/spire/api/types/bundle_pb.js'
import type { Bundle, JWTKey } from '../../../gen/spire/api/types/bundle_pb.js'
import type { PublicKey, StoredBundle } from '../../../store/model.ts'

type KeyFields = Pick<JWTKey, 'keyId' | 'publicKey' | 'expiresAt' | 'tainted'>

export function bundleMessage(bundle: StoredBundle): Bundle {
  return create(BundleSchema, {
    trustDomain: bundle.trustDomain,
    x509Authorities: bundle.x509Authorities.map(({ certificate: asn1, tainted }) => ({
      asn1,
      tainted,
    })),
    jwtAuthorities: bundle.jwtAuthorities.map(keyMessage),
    witAuthorities: bundle.witAuthorities.map(keyMessage),
    refreshHint: BigInt(bundle.refreshHintSeconds ?? 0),
    sequenceNumber: BigInt(bundle.sequence),
  })
}

export function keyMessage({ keyId, publicKey, expiresAt, tainted }: PublicKey): KeyFields {
  const seconds = expiresAt === undefined ? 0 : Math.floor(expiresAt / 1000)
  return { keyId, publicKey, expiresAt: BigInt(seconds), tainted }
}
