import { verify, type KeyObject } from 'node:crypto'
import { messageOf, SpindleError } from '../../runtime/errors.ts'
import { derTag, splitDer, type DerElement } from '../../spiffe/der.ts'
import { dottedOid, expect, only, readExtensions, series } from '../extensions.ts'
import type { Extensions } from '../extensions.ts'
import { algorithmOf } from './algorithms.ts'
import { readPublicKey } from './public-key.ts'

/** A request for a certificate (PKCS #10, RFC 2986) whose sender has shown that the key is theirs. */
export interface Csr {
  /** DER SubjectPublicKeyInfo: the only thing a certificate takes from a request. */
  readonly spki: Buffer
  readonly asked: AskedOfCsr
}

/**
 * What the request says it would like: facts for who decides and for the log. None of it is checked to be true, well-formed
 * as a SPIFFE ID, or allowed (T-XL-4, T-XL-5).
 */
export interface AskedOfCsr {
  /** DER of the subject's Name. */
  readonly subjectName: Buffer
  readonly uriSans: readonly string[]
  readonly dnsSans: readonly string[]
  /** Whether it asks to be a CA. */
  readonly ca: boolean
}

/** Of a request that could be read: what `cause` of its error then is. */
export class NotSignedByItsKey extends Error {}

/** A key of 4096 bits with its signature takes 1.2 kB; the rest is for names. */
const MAX_CSR_BYTES = 16 * 1024
const MAX_ATTRIBUTES = 16
const MAX_NAME_PARTS = 64
const ATTRIBUTES = 0xa0
const SET = 0x31
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'

/** @throws SpindleError `request_invalid` with what is wrong, never quoting it. */
export function readCsr(der: Uint8Array): Csr {
  try {
    const { csr, proof } = read(der)
    return proven(csr, verify(...proof))
  } catch (thrown) {
    throw notTaken(thrown)
  }
}

/**
 * The same where many are read at once: signatures are checked by the thread pool, to which one is handed in a tenth of the time
 * that the check takes.
 */
export async function readCsrAside(der: Uint8Array): Promise<Csr> {
  try {
    const { csr, proof } = read(der)
    return proven(csr, await holdsInPool(proof))
  } catch (thrown) {
    throw notTaken(thrown)
  }
}

/** Proof of possession: without it a certificate could be had for the key of somebody else. */
function proven(csr: Csr, signed: boolean): Csr {
  if (!signed) throw new NotSignedByItsKey('its signature is not by the key in it')
  return csr
}

interface ReadCsr {
  readonly csr: Csr
  /** What is to be checked of it yet. */
  readonly proof: readonly [digest: string, info: Uint8Array, KeyObject, signature: Uint8Array]
}

function holdsInPool(proof: ReadCsr['proof']): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(...proof, (error, holds) => (error === null ? resolve(holds) : reject(error)))
  })
}

function read(der: Uint8Array): ReadCsr {
  if (der.length > MAX_CSR_BYTES) throw new Error(`it is longer than ${MAX_CSR_BYTES} bytes`)
  const [info, identifier, signature] = wholes(
    only(der, derTag.SEQUENCE, 'the request'),
    3,
    'the request',
  )
  const [version, subjectName, spki, attributes] = wholes(
    only(info, derTag.SEQUENCE, 'the request info'),
    4,
    'the request info',
  )
  const [number, ...more] = only(version, derTag.INTEGER, 'the version')
  if (number !== 0 || more.length > 0) throw new Error('its version is not 1')
  checkName(only(subjectName, derTag.SEQUENCE, 'the subject'))
  const { family, key } = readPublicKey(spki)
  const algorithm = algorithmOf(identifier)
  if (algorithm?.family !== family)
    throw new Error('its signature algorithm is not ECDSA or RSA with SHA-2, or not of its key')
  const bits = only(signature, derTag.BIT_STRING, 'the signature')
  if (bits[0] !== 0) throw new Error('its signature is not whole bytes')
  const { uriSans, dnsSans, basicConstraints } = extensionsOf(
    only(attributes, ATTRIBUTES, 'the attributes'),
  )
  const ca = basicConstraints?.ca === true
  const asked = { subjectName: Buffer.from(subjectName), uriSans, dnsSans, ca }
  return {
    csr: { spki: Buffer.from(spki), asked },
    proof: [algorithm.digest, info, key, bits.subarray(1)],
  }
}

/** Exactly `count` elements, each with its tag and length. */
function wholes(
  contents: Uint8Array,
  count: 3 | 4,
  what: string,
): readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array] {
  const parts = splitDer(contents, count)
  if (parts?.length !== count) throw new Error(`${what} is not in DER, or not of ${count} parts`)
  const [first, second, third, fourth = new Uint8Array()] = parts
  if (first === undefined || second === undefined || third === undefined)
    throw new Error(`${what} is cut short`)
  return [first, second, third, fourth]
}

/** A Name as X.501 has it; what its values say is nobody's concern here. */
function checkName(contents: Uint8Array): void {
  for (const relative of series(contents, MAX_NAME_PARTS, 'the subject')) {
    const parts = series(expect(relative, SET, 'the subject'), MAX_NAME_PARTS, 'the subject')
    if (parts.length === 0) throw new Error('a part of the subject is empty')
    for (const part of parts) typed(part, 'the subject')
  }
}

function extensionsOf(attributes: Uint8Array): Extensions {
  let found: Uint8Array | undefined
  const seen = new Set<string>()
  for (const attribute of series(attributes, MAX_ATTRIBUTES, 'the attributes')) {
    const { oid, value } = typed(attribute, 'an attribute')
    if (seen.has(oid)) throw new Error(`attribute ${oid} occurs twice`)
    seen.add(oid)
    const values = expect(value, SET, 'an attribute')
    // Others (a challenge password) ask for nothing that is given.
    if (oid === EXTENSION_REQUEST) found = only(values, derTag.SEQUENCE, 'the extension request')
  }
  return readExtensions(found ?? new Uint8Array())
}

/** The AttributeTypeAndValue of a name, or an Attribute: a type and one thing more. */
function typed(element: DerElement, what: string): { oid: string; value: DerElement } {
  const parts = series(expect(element, derTag.SEQUENCE, what), 2, what)
  const [type, value] = parts
  const oid = dottedOid(expect(type, derTag.OBJECT_IDENTIFIER, what))
  if (value === undefined) throw new Error(`${what} has no value`)
  return { oid, value }
}

function notTaken(thrown: unknown): SpindleError {
  const why = messageOf(thrown)
  const fault = why.startsWith('error:') ? 'OpenSSL cannot read it' : why
  const message = `the certificate request is not taken: ${fault}`
  return new SpindleError('request_invalid', message, { cause: thrown })
}
