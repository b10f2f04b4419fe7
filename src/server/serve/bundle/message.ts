/** Messages of bundles (`spire.api.types.Bundle`) as values; the other way is publish/bundle-message.ts. */
import { createPublicKey } from 'node:crypto'
import { parseCertificate } from '../../../certs/certificate.ts'
import type { Bundle, BundleMask } from '../../../gen/spire/api/types/bundle_pb.js'
import { jwtVerificationKey } from '../../../jwt/keys.ts'
import { SpindleError, messageOf } from '../../../runtime/errors.ts'
import type { TrustDomain } from '../../../spiffe/spiffe-id.ts'
import type { PublicKey, StoredBundle, X509Authority } from '../../../store/model.ts'
import type { KeyFields } from '../../publish/bundle-message.ts'

type Writable<T> = { -readonly [Key in keyof T]: T[Key] | undefined }
/** What a message says of some fields; a member that is undefined is to be as where nothing is said. */
export type BundleChanges = Partial<Readonly<Writable<Omit<StoredBundle, 'trustDomain'>>>>

/**
 * What `message` says of the fields that `mask` names, of all of them without a mask.
 * @throws SpindleError `request_invalid`
 */
export function readBundleChanges(message: Bundle, mask?: BundleMask): BundleChanges {
  const changes: Writable<BundleChanges> = {}
  if (mask?.x509Authorities ?? true)
    changes.x509Authorities = readX509Authorities(message.x509Authorities)
  if (mask?.jwtAuthorities ?? true)
    changes.jwtAuthorities = readJwtAuthorities(message.jwtAuthorities)
  if (mask?.witAuthorities ?? true)
    changes.witAuthorities = readWitAuthorities(message.witAuthorities)
  if (mask?.refreshHint ?? true) changes.refreshHintSeconds = readRefreshHint(message.refreshHint)
  if (mask?.sequenceNumber ?? true) changes.sequence = readSequence(message.sequenceNumber)
  return changes
}

/** A whole bundle; its trust domain has been read. @throws SpindleError `request_invalid` */
export function readBundle(trustDomain: TrustDomain, message: Bundle): StoredBundle {
  // Every field has been read.
  return { trustDomain, ...readBundleChanges(message) } as StoredBundle
}

/** Each once. @throws SpindleError `request_invalid` */
export function readX509Authorities(messages: Bundle['x509Authorities']): readonly X509Authority[] {
  const found = new Map<string, X509Authority>()
  messages.forEach(({ asn1, tainted }, index) => {
    const place = `x509_authorities[${index}]`
    const { der } = orInvalid('unable to parse X.509 authority', () =>
      parseCertificate(asn1, place),
    )
    found.set(der.toString('base64'), { certificate: der, tainted })
  })
  return Array.from(found.values())
}

/** Each once. @throws SpindleError `request_invalid` */
export function readJwtAuthorities(messages: readonly KeyFields[]): readonly PublicKey[] {
  const readKey = (spki: Buffer, place: string): unknown => jwtVerificationKey(spki, place)
  return readKeys(messages, { field: 'jwt_authorities', what: 'JWT authority', readKey })
}

export function readWitAuthorities(messages: readonly KeyFields[]): readonly PublicKey[] {
  const readKey = (key: Buffer): unknown => createPublicKey({ key, format: 'der', type: 'spki' })
  return readKeys(messages, { field: 'wit_authorities', what: 'WIT authority', readKey })
}

interface KeyKind {
  readonly field: string
  readonly what: string
  readonly readKey: (spki: Buffer, place: string) => unknown
}

function readKeys(
  messages: readonly KeyFields[],
  { field, what, readKey }: KeyKind,
): readonly PublicKey[] {
  const found = new Map<string, PublicKey>()
  messages.forEach(({ keyId, publicKey, expiresAt, tainted }, index) => {
    const place = `${field}[${index}]`
    orInvalid(`unable to parse ${what}`, () => {
      if (keyId === '') throw invalid(`${place}: missing key ID`)
      if (expiresAt < 0n || expiresAt > LAST_INSTANT)
        throw invalid(`${place}: expires_at is not an instant that can be kept`)
      const key = Buffer.from(publicKey)
      readKey(key, place)
      const other = found.get(keyId)
      if (other !== undefined && !key.equals(other.publicKey))
        throw invalid(`${place}: its key ID is that of another key`)
    })
    found.set(keyId, {
      keyId,
      publicKey,
      ...(expiresAt !== 0n && { expiresAt: Number(expiresAt) * 1000 }),
      tainted,
    })
  })
  return Array.from(found.values())
}

/** The end of the year 9999. */
const LAST_INSTANT = 253_402_300_799n
const LONGEST_HINT = 2n ** 31n - 1n

/** In seconds. */
function readRefreshHint(hint: bigint): number | undefined {
  if (hint < 0n || hint > LONGEST_HINT)
    throw invalid(`refresh_hint is not a number of seconds from 0 to ${LONGEST_HINT}`)
  return hint === 0n ? undefined : Number(hint)
}

function readSequence(sequence: bigint): number {
  if (sequence > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalid(`sequence_number is above ${Number.MAX_SAFE_INTEGER}`)
  return Number(sequence)
}

function invalid(message: string): SpindleError {
  return new SpindleError('request_invalid', message)
}

/** Whatever is wrong with a certificate or a key of a request is the request's fault. */
function orInvalid<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    throw invalid(`${what}: ${messageOf(thrown)}`)
  }
}
