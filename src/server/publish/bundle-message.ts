import { create } from '@bufbuild/protobuf'
import type { Bundle, JWTKey } from '../../gen/spire/api/types/bundle_pb.js'
import { BundleSchema } from '../../gen/spire/api/types/bundle_pb.js'
import type { PublicKey, StoredBundle } from '../../store/model.ts'

/** A JWTKey and a WITKey have the same. */
export type KeyFields = Pick<JWTKey, 'keyId' | 'publicKey' | 'expiresAt' | 'tainted'>

/** `spire.api.types.Bundle`, with what is tainted in it. */
export function bundleMessage(bundle: StoredBundle): Bundle {
  return create(BundleSchema, {
    trustDomain: bundle.trustDomain,
    x509Authorities: bundle.x509Authorities.map(({ certificate, tainted }) => ({
      asn1: certificate,
      tainted,
    })),
    jwtAuthorities: bundle.jwtAuthorities.map(keyMessage),
    witAuthorities: bundle.witAuthorities.map(keyMessage),
    refreshHint: BigInt(bundle.refreshHintSeconds ?? 0),
    sequenceNumber: BigInt(bundle.sequence),
  })
}

export function keyMessage({ keyId, publicKey, expiresAt, tainted }: PublicKey): KeyFields {
  return { keyId, publicKey, expiresAt: BigInt(Math.floor((expiresAt ?? 0) / 1000)), tainted }
}
