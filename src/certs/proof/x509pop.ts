/**
 * What a node and a server say to each other in SPIRE's node attestation `x509pop`: a chain of certificates, a nonce, and a
 * signature over that nonce and one of the node's own. All three are JSON, with bytes in base64.
 */
import { constants, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { SpindleError } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/random.ts'
import { readJson } from '../../spiffe/json.ts'
import type { JsonObject, JsonValue } from '../../spiffe/json.ts'
import { leftPadded } from '../keys.ts'

/** The kinds of key a node can show to have. */
export type PopFamily = 'rsa' | 'ecdsa'

export interface PopChallenge {
  readonly family: PopFamily
  /** 32 bytes. */
  readonly nonce: Buffer
}

export type PopResponse =
  | { readonly family: 'rsa'; readonly nonce: Buffer; readonly signature: Buffer }
  | {
      readonly family: 'ecdsa'
      readonly nonce: Buffer
      /** Big-endian, of any length: SPIRE drops leading zeros. */
      readonly r: Buffer
      readonly s: Buffer
    }

const NONCE_BYTES = 32
/** Six certificates with RSA keys of 8192 bits stay below it. */
const MAX_BYTES = 64 * 1024
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Bytes of r and of s, by OpenSSL's name of the curve. */
const SCALAR_BYTES: Readonly<Record<string, number>> = {
  prime256v1: 32,
  secp384r1: 48,
  secp521r1: 66,
}

/** A signature by an RSA key of 4096 bits would hold the event loop for milliseconds. */
const signInPool = promisify(
  (
    bytes: Buffer,
    key: Parameters<typeof sign>[2],
    done: (error: Error | null, signature: Buffer) => void,
  ) => sign('sha256', bytes, key, done),
)

/** undefined: no key of a kind that can be shown. */
export function popFamilyOf(key: KeyObject): PopFamily | undefined {
  if (key.asymmetricKeyType === 'rsa') return 'rsa'
  return scalarBytesOf(key) === undefined ? undefined : 'ecdsa'
}

/** @param chain DER, leaf first, without the root */
export function writePopPayload(chain: readonly Uint8Array[]): Buffer {
  return json({ certificates: chain.map(base64) })
}

/** @returns DER, leaf first. @throws SpindleError `request_invalid` */
export function readPopPayload(payload: Uint8Array): readonly Buffer[] {
  const certificates = objectIn(payload, 'the attestation data').get('certificates') ?? []
  if (!Array.isArray(certificates)) throw invalid('certificates is not a list')
  return (certificates as readonly JsonValue[]).map((value) => bytesOf(value, 'a certificate'))
}

export function newPopChallenge(family: PopFamily, random: Random): PopChallenge {
  return { family, nonce: random.bytes(NONCE_BYTES) }
}

export function writePopChallenge({ family, nonce }: PopChallenge): Buffer {
  return json(oneOf(family, { nonce: base64(nonce) }))
}

/** @throws SpindleError `request_invalid` */
export function readPopChallenge(bytes: Uint8Array): PopChallenge {
  const { family, fields } = either(bytes, 'the challenge')
  return { family, nonce: bytesOf(fields.get('nonce'), 'the nonce of the challenge') }
}

/**
 * What a node answers: its signature over both nonces, RSA by PSS with SHA-256, ECDSA with SHA-256 on any of the curves.
 * @throws SpindleError `request_invalid` where the challenge is not one for this key
 */
export async function answerPopChallenge(
  challenge: PopChallenge,
  key: KeyObject,
  random: Random,
): Promise<PopResponse> {
  const { family } = challenge
  if (popFamilyOf(key) !== family) throw invalid(`the challenge is one for a key of ${family}`)
  const nonce = random.bytes(NONCE_BYTES)
  const bytes = bothNonces(challenge.nonce, nonce)
  if (family === 'rsa')
    return { family, nonce, signature: await signInPool(bytes, { key, ...PSS }) }
  const signature = await signInPool(bytes, { key, dsaEncoding: 'ieee-p1363' })
  const half = signature.length / 2
  return { family, nonce, r: signature.subarray(0, half), s: signature.subarray(half) }
}

const PSS = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const

export function writePopResponse(response: PopResponse): Buffer {
  const nonce = base64(response.nonce)
  if (response.family === 'rsa')
    return json(oneOf('rsa', { nonce, signature: base64(response.signature) }))
  return json(oneOf('ecdsa', { nonce, r: base64(response.r), s: base64(response.s) }))
}

/** @throws SpindleError `request_invalid` */
export function readPopResponse(bytes: Uint8Array): PopResponse {
  const { family, fields } = either(bytes, 'the challenge response')
  const part = (name: string): Buffer => bytesOf(fields.get(name), `${name} of the response`)
  const nonce = part('nonce')
  if (family === 'rsa') return { family, nonce, signature: part('signature') }
  return { family, nonce, r: part('r'), s: part('s') }
}

/** Whether the response to a challenge is signed by the private half of `key`. */
export function popResponseFits(
  challenge: PopChallenge,
  response: PopResponse,
  key: KeyObject,
): boolean {
  if (popFamilyOf(key) !== challenge.family || response.family !== challenge.family) return false
  if (challenge.nonce.length !== NONCE_BYTES || response.nonce.length !== NONCE_BYTES) return false
  const bytes = bothNonces(challenge.nonce, response.nonce)
  if (response.family === 'rsa') {
    const { padding } = PSS
    const saltLength = constants.RSA_PSS_SALTLEN_AUTO
    return verify('sha256', bytes, { key, padding, saltLength }, response.signature)
  }
  const length = scalarBytesOf(key)
  const [r, s] = [response.r, response.s].map((scalar) => scalarOf(scalar, length ?? 0))
  if (r === undefined || s === undefined) return false
  return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, Buffer.concat([r, s]))
}

const bothNonces = (challenge: Buffer, response: Buffer): Buffer =>
  Buffer.concat([challenge, response])

function scalarBytesOf(key: KeyObject): number | undefined {
  if (key.asymmetricKeyType !== 'ec') return undefined
  return SCALAR_BYTES[key.asymmetricKeyDetails?.namedCurve ?? '']
}

/** undefined: it is longer than any of the curve. */
function scalarOf(bytes: Buffer, length: number): Buffer | undefined {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = first === -1 ? Buffer.alloc(0) : bytes.subarray(first)
  return digits.length > length ? undefined : leftPadded(digits, length)
}

/** As SPIRE writes it: both are named, and the one that is not meant is null. */
function oneOf(family: PopFamily, fields: Readonly<Record<string, string>>): object {
  return {
    rsa_signature: family === 'rsa' ? fields : null,
    ecdsa_signature: family === 'ecdsa' ? fields : null,
  }
}

function either(
  bytes: Uint8Array,
  what: string,
): { readonly family: PopFamily; readonly fields: JsonObject } {
  const message = objectIn(bytes, what)
  const [rsa, ecdsa] = [message.get('rsa_signature'), message.get('ecdsa_signature')]
  if (rsa instanceof Map && (ecdsa ?? null) === null) return { family: 'rsa', fields: rsa }
  if (ecdsa instanceof Map && (rsa ?? null) === null) return { family: 'ecdsa', fields: ecdsa }
  throw invalid(`${what} has not one of rsa_signature and ecdsa_signature`)
}

function objectIn(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length > MAX_BYTES) throw invalid(`${what} is longer than ${MAX_BYTES} bytes`)
  const value = readJson(Buffer.from(bytes).toString(), { code: 'request_invalid', place: what })
  if (!(value instanceof Map)) throw invalid(`${what} is not a JSON object`)
  return value
}

function bytesOf(value: JsonValue | undefined, what: string): Buffer {
  if (typeof value !== 'string' || !BASE64.test(value)) throw invalid(`${what} is not in base64`)
  return Buffer.from(value, 'base64')
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const json = (value: object): Buffer => Buffer.from(JSON.stringify(value))

function invalid(message: string): SpindleError {
  return new SpindleError('request_invalid', message)
}
