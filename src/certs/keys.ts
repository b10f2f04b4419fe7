import type { KeyObject } from 'node:crypto'
import { SpindleError } from '../runtime/errors.ts'

export const KEY_TYPES = ['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096'] as const
export type KeyType = (typeof KEY_TYPES)[number]

export interface KeyPair {
  readonly type: KeyType
  readonly privateKey: KeyObject
  /** DER SubjectPublicKeyInfo (RFC 5280 4.1.2.7). */
  readonly spki: Buffer
  /** DER PKCS#8, unencrypted. Secret. */
  readonly pkcs8: Buffer
}

/** EC keys are made at once; RSA keys on the thread pool. */
export async function generateKey(_type: KeyType): Promise<KeyPair> {
  throw new SpindleError('internal', 'unwritten')
}
/** Reads a PEM private key (PKCS#8, PKCS#1 or SEC 1). @throws SpindleError `certificate_invalid` naming `place`. */
export function readKeyPem(_pem: string, _place: string): KeyPair {
  throw new SpindleError('internal', 'unwritten')
}
