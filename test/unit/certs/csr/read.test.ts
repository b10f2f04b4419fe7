import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { NotSignedByItsKey, readCsr, readCsrAside } from '../../../../src/certs/csr/read.ts'
import { writeCsr } from '../../../../src/certs/csr/write.ts'
import {
  bitString,
  element,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  set,
} from '../../../../src/certs/der.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import type { KeyPair } from '../../../../src/certs/keys.ts'
import { createIssuer, createRootCertificate, issueLeaf } from '../../../../src/certs/issuer.ts'
import { parseCertificate } from '../../../../src/certs/parse.ts'
import { distinguishedName } from '../../../../src/certs/profile.ts'
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts'

const key = await generateKey('ec-p256')
const rsaKey = await generateKey('rsa-2048')
const NOW = Date.UTC(2026, 10, 22)

const ECDSA_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'))
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14'
const uri = (text: string): Buffer => element(0x86, Buffer.from(text))
const extension = (oid: string, value: Buffer): Buffer =>
  sequence(objectIdentifier(oid), octetString(value))
const attribute = (oid: string, ...values: readonly Buffer[]): Buffer =>
  sequence(objectIdentifier(oid), set(...values))
const asking = (...extensions: readonly Buffer[]): Buffer =>
  attribute(EXTENSION_REQUEST, sequence(...extensions))

interface Parts {
  readonly version: Buffer
  readonly subject: Buffer
  readonly spki: Buffer
  readonly attributes: readonly Buffer[]
  readonly algorithm: Buffer
  readonly digest: string
  readonly signer: KeyPair
}

/** A request in any shape, signed by whoever is asked. */
function make(change: Partial<Parts> = {}): Buffer {
  const parts: Parts = {
    version: integer(Buffer.from([0])),
    subject: distinguishedName('SPIRE', {}),
    spki: key.spki,
    attributes: [],
    algorithm: ECDSA_SHA256,
    digest: 'sha256',
    signer: key,
    ...change,
  }
  const { version, subject, spki, attributes, algorithm, digest, signer } = parts
  const info = sequence(version, subject, spki, element(0xa0, ...attributes))
  return sequence(info, algorithm, bitString(sign(digest, info, signer.privateKey)))
}

function refused(der: Uint8Array, message: RegExp): void {
  assert.throws(() => readCsr(der), { code: 'request_invalid', message })
}

const spkiOf = (options: Parameters<typeof generateKeyPairSync>[1]): Buffer =>
  (generateKeyPairSync as (type: string, options: unknown) => { publicKey: Buffer })('rsa', {
    ...options,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  }).publicKey

test('readCsr: gives the key, and what is asked for as it stands', () => {
  const names = sequence(uri('spiffe://example.org/web'), uri('not an ID'))
  const csr = readCsr(make({ attributes: [asking(extension('2.5.29.17', names))] }))
  assert.ok(csr.spki.equals(key.spki))
  assert.ok(csr.asked.subjectName.equals(distinguishedName('SPIRE', {})))
  assert.deepEqual(csr.asked.uriSans, ['spiffe://example.org/web', 'not an ID'])
  assert.deepEqual([csr.asked.dnsSans, csr.asked.ca], [[], false])
})

test('readCsr: a request without the proof that the key is of its sender is refused', async () => {
  const other = await generateKey('ec-p256')
  refused(make({ signer: other }), /signature is not by the key in it/)
  const whole = make()
  const middle = Buffer.from(whole)
  middle[12] = (middle[12] ?? 0) ^ 1
  refused(middle, /request/)
})

test('readCsr: a signature of SHA-1, or of another kind than its key, is refused', () => {
  const sha1 = sequence(objectIdentifier('1.2.840.10045.4.1'))
  refused(make({ algorithm: sha1, digest: 'sha1' }), /signature algorithm/)
  refused(make({ spki: rsaKey.spki, signer: rsaKey }), /signature algorithm/)
  const rsaWithoutNull = sequence(objectIdentifier('1.2.840.113549.1.1.11'))
  refused(
    make({ spki: rsaKey.spki, signer: rsaKey, algorithm: rsaWithoutNull }),
    /signature algorithm/,
  )
})

test('readCsr: weak keys, keys of other kinds and points beside their curve are refused', () => {
  refused(make({ spki: spkiOf({ modulusLength: 1024 }) }), /RSA of 1024 bits/)
  refused(make({ spki: spkiOf({ modulusLength: 4104 }) }), /RSA of 4104 bits/)
  const { publicKey } = generateKeyPairSync('ed25519')
  refused(make({ spki: publicKey.export({ type: 'spki', format: 'der' }) }), /must be EC P-256/)
  const beside = Buffer.from(key.spki)
  beside[40] = (beside[40] ?? 0) ^ 1
  refused(make({ spki: beside }), /cannot be read/)
  const compressed = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const { x = '', y = '' } = compressed.export({ format: 'jwk' })
  const point = Buffer.concat([
    Buffer.from([2 + ((Buffer.from(y, 'base64url').at(-1) ?? 0) & 1)]),
    Buffer.from(x, 'base64url'),
  ])
  const curve = sequence(
    objectIdentifier('1.2.840.10045.2.1'),
    objectIdentifier('1.2.840.10045.3.1.7'),
  )
  refused(make({ spki: sequence(curve, bitString(point)) }), /must be EC P-256/)
})

test('readCsr: an RSA key that everybody can sign for, or that is dear to check, is refused', () => {
  const { n = '' } = createPublicKey(rsaKey.privateKey).export({ format: 'jwk' })
  const algorithm = sequence(objectIdentifier('1.2.840.113549.1.1.1'), Buffer.from([5, 0]))
  for (const exponent of [[1], [2], [0x80, 0, 0, 1], Array<number>(64).fill(0xff)]) {
    const rsa = sequence(integer(Buffer.from(n, 'base64url')), integer(Buffer.from(exponent)))
    refused(make({ spki: sequence(algorithm, bitString(rsa)) }), /exponent|cannot be read/)
  }
})

test('readCsr: what is no DER, has more or less than it may, or is too long is refused', () => {
  const whole = make()
  refused(Buffer.alloc(0), /not taken/)
  refused(Buffer.concat([whole, Buffer.from([0])]), /not in DER/)
  for (let length = 1; length < whole.length; length += 7)
    refused(whole.subarray(0, length), /not taken/)
  refused(Buffer.alloc(16 * 1024 + 1, 0x30), /longer than 16384 bytes/)
  refused(make({ version: integer(Buffer.from([1])) }), /version/)
  refused(make({ subject: sequence(set()) }), /subject/)
  refused(make({ subject: sequence(sequence()) }), /subject/)
  const none = asking()
  refused(make({ attributes: [none, none] }), /occurs twice/)
  refused(make({ attributes: [attribute(EXTENSION_REQUEST, sequence(), sequence())] }), /extension/)
  const names = extension('2.5.29.17', sequence(element(0x86, Buffer.from([0xff]))))
  refused(make({ attributes: [asking(names)] }), /ASCII/)
})

test('readCsrAside: takes what readCsr takes and refuses what it refuses, in the same words', async () => {
  const whole = make()
  assert.deepEqual(await readCsrAside(whole), readCsr(whole))
  const foreign = make({ signer: await generateKey('ec-p256') })
  await assert.rejects(readCsrAside(foreign), ({ cause }) => cause instanceof NotSignedByItsKey)
  // Also where the signature itself is no DER.
  const changed = Array.from({ length: whole.length }, (_, at) => whole.with(at, whole[at]! ^ 0x20))
  for (const der of [foreign, whole.subarray(1), ...changed]) {
    const { message } = faultOf(() => readCsr(der))
    await assert.rejects(readCsrAside(der), { code: 'request_invalid', message })
  }
})

function faultOf(run: () => unknown): Error {
  try {
    run()
  } catch (thrown) {
    return thrown as Error
  }
  throw new Error('it was taken')
}

test('T-XL-4, T-XL-5: two URI SANs, cA, keyCertSign and one purpose are asked for; the leaf has what was granted', async () => {
  const extensions = [
    extension('2.5.29.17', sequence(uri('spiffe://example.org/a'), uri('spiffe://other.test/b'))),
    extension('2.5.29.19', Buffer.from('30030101ff', 'hex')),
    extension('2.5.29.15', Buffer.from('03020204', 'hex')),
    extension('2.5.29.37', sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))),
  ]
  const csr = readCsr(make({ attributes: [asking(...extensions)] }))
  assert.deepEqual(csr.asked.uriSans, ['spiffe://example.org/a', 'spiffe://other.test/b'])
  assert.equal(csr.asked.ca, true)

  const caKey = await generateKey('ec-p256')
  const life = { notBefore: NOW, notAfter: NOW + 3_600_000, serial: Buffer.from([1]) }
  const trustDomainId = parseSpiffeId('spiffe://example.org')
  const ca = await createRootCertificate(caKey, { ...life, trustDomainId })
  const spiffeId = parseSpiffeId('spiffe://example.org/granted')
  const issuer = createIssuer(ca, caKey, 'ca')
  const leaf = await issueLeaf(issuer, { ...life, spiffeId, dnsNames: [], spki: csr.spki })
  const { uriSans, basicConstraints, keyUsage, extendedKeyUsage } = parseCertificate(leaf, 'leaf')
  assert.deepEqual(uriSans, ['spiffe://example.org/granted'])
  assert.equal(basicConstraints?.ca, false)
  assert.deepEqual(keyUsage?.usages, ['digitalSignature'])
  assert.deepEqual(extendedKeyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
})

test('writeCsr: asks for nothing where nothing is to be asked for', async () => {
  const { asked, spki } = readCsr(await writeCsr(key))
  assert.deepEqual([asked.uriSans, asked.dnsSans, asked.ca], [[], [], false])
  assert.ok(spki.equals(key.spki))
})
