import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { readDer, readDerSeries } from '../../../src/spiffe/der.ts'
import { integer, sequence } from '../../../src/certs/der.ts'
import { parseCertificate, toPem } from '../../../src/certs/parse.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { createSeededRandom } from '../../fakes/random.ts'
import {
  CLIENT_AUTH,
  HOUR,
  makeCa,
  makeCertificate,
  makeLeaf,
  NOW,
  rawExtension,
  SERVER_AUTH,
  USAGE,
} from './make-certificate.ts'

const ca = await makeCa({
  name: 'C=US,O=SPIFFE,CN=root',
  uris: ['spiffe://example.org'],
  pathLen: 3,
})
const leaf = await makeLeaf({ by: ca, dns: ['a.example.org', '*.example.org'] })

function refuses(der: Uint8Array, message: RegExp): void {
  assert.throws(
    () => parseCertificate(der, 'place'),
    (thrown) =>
      thrown instanceof SpindleError &&
      thrown.code === 'certificate_invalid' &&
      thrown.message.startsWith('place: not a certificate: ') &&
      message.test(thrown.message),
    message.source,
  )
}

test('parseCertificate gives the facts of a leaf', () => {
  const parsed = parseCertificate(leaf.der, 'p')
  assert.deepEqual(parsed.uriSans, ['spiffe://example.org/web'])
  assert.deepEqual(parsed.dnsSans, ['a.example.org', '*.example.org'])
  assert.deepEqual(parsed.basicConstraints, { ca: false })
  assert.deepEqual(parsed.keyUsage, { critical: true, usages: ['digitalSignature'] })
  assert.deepEqual(parsed.extendedKeyUsage, [SERVER_AUTH, CLIENT_AUTH])
  assert.deepEqual([parsed.notBefore, parsed.notAfter], [NOW - HOUR, NOW + HOUR])
  assert.deepEqual(parsed.der, leaf.der)
  assert.deepEqual(parsed.spki, leaf.key.spki)
  assert.equal(parsed.serial, new X509Certificate(leaf.der).serialNumber)
  assert.equal(parsed.issuer, 'C=US, O=SPIFFE, CN=root')
  assert.equal(parsed.subjectEmpty, false)
  assert.equal(parsed.sanCritical, false)
})

test('parseCertificate gives the facts of a CA', () => {
  const parsed = parseCertificate(ca.der, 'p')
  assert.deepEqual(parsed.basicConstraints, { ca: true, pathLen: 3 })
  assert.deepEqual(parsed.keyUsage?.usages, ['keyCertSign', 'cRLSign'])
  assert.equal(parsed.extendedKeyUsage, undefined)
  assert.equal(parsed.subject, parsed.issuer)
})

test('parseCertificate tells an absent extension from an empty fact', async () => {
  const bare = parseCertificate((await makeCertificate({ name: '' })).der, 'p')
  assert.equal(bare.keyUsage, undefined)
  assert.equal(bare.basicConstraints, undefined)
  assert.equal(bare.extendedKeyUsage, undefined)
  assert.deepEqual([bare.uriSans, bare.dnsSans], [[], []])
  assert.deepEqual([bare.subjectKeyId, bare.authorityKeyId], ['', ''])
  assert.equal(bare.subjectEmpty, true)
  assert.equal(bare.subject, '')
})

test('parseCertificate reads each key usage bit by its name', async () => {
  for (const [name, usage] of Object.entries(USAGE).filter(([, bit]) => typeof bit === 'number')) {
    const { der } = await makeCertificate({ usage: usage as number, usageCritical: false })
    assert.deepEqual(parseCertificate(der, 'p').keyUsage, { critical: false, usages: [name] })
  }
})

test('parseCertificate reads an explicit FALSE as FALSE, though DER leaves it out', async () => {
  const more = [rawExtension('2.5.29.19', true, '3003010100')]
  const { der } = await makeCertificate({ more })
  assert.deepEqual(parseCertificate(der, 'p').basicConstraints, { ca: false })
})

test('parseCertificate lists critical extensions it does not act on', async () => {
  const more = [
    rawExtension('1.2.3.4', true, '0500'),
    rawExtension('1.2.3.5', false, '0500'),
    rawExtension('2.5.29.32', true, '300630040602 2a03'.replace(' ', '')),
  ]
  const parsed = parseCertificate((await makeCertificate({ more })).der, 'p')
  assert.deepEqual(parsed.unhandledCritical, ['1.2.3.4'])
  assert.equal(parsed.nameConstraints, false)
})

test('parseCertificate counts only URI names as URIs and only DNS names as DNS', async () => {
  // email a@b, DNS "d", IP 10.0.0.1, registered ID 1.2.3, URI "u:1", URI "u:2"
  const names = '8103614062 820164 87040a000001 88022a03 8603753a31 8603753a32'.replaceAll(' ', '')
  const san = rawExtension('2.5.29.17', true, `30${(names.length / 2).toString(16)}${names}`)
  const parsed = parseCertificate((await makeCertificate({ more: [san] })).der, 'p')
  assert.deepEqual([parsed.uriSans, parsed.dnsSans], [['u:1', 'u:2'], ['d']])
  assert.equal(parsed.sanCritical, true)
})

test('parseCertificate refuses malformed extensions', async () => {
  const bad = [
    ['2.5.29.17', '3000', /no name/],
    ['2.5.29.17', '3003890161', /unknown kind/],
    ['2.5.29.17', '30038601ff', /not ASCII/],
    ['2.5.29.17', '300386016100', /not in DER/],
    ['2.5.29.15', '03020880', /BIT STRING/],
    ['2.5.29.15', '03020781', /BIT STRING/],
    ['2.5.29.15', '0300', /BIT STRING/],
    ['2.5.29.19', '3003010101', /BOOLEAN/],
    ['2.5.29.19', '30060101ff0201ff', /pathLen/],
    ['2.5.29.19', '30060101ff020180', /pathLen/],
    ['2.5.29.19', '30800101ff0000', /not in DER/],
    ['2.5.29.37', '30030101ff', /extendedKeyUsage/],
    ['2.5.29.14', '3000', /subjectKeyIdentifier/],
  ] as const
  for (const [oid, value, message] of bad) {
    const { der } = await makeCertificate({ more: [rawExtension(oid, true, value)] })
    refuses(der, message)
  }
})

test('parseCertificate refuses an extension that occurs twice', async () => {
  const twice = rawExtension('2.5.29.17', false, '30038601 61'.replace(' ', ''))
  const { der } = await makeCertificate({ more: [twice], uris: ['spiffe://example.org/b'] })
  refuses(der, /2\.5\.29\.17 occurs twice/)
})

test('parseCertificate refuses PEM, other DER, and bytes after the certificate', () => {
  refuses(Buffer.from(toPem(leaf.der, 'CERTIFICATE')), /not in DER/)
  refuses(leaf.key.pkcs8, /not what X\.509 has/)
  refuses(Buffer.concat([leaf.der, Buffer.from([0])]), /not in DER/)
  refuses(Buffer.concat([leaf.der, leaf.der]), /not in DER/)
  refuses(new Uint8Array(), /not in DER/)
})

/** The TBSCertificate's elements, each with its tag and length. */
function tbsParts(der: Buffer): Buffer[] {
  const [tbs] = readDerSeries(readDer(der, 0)?.contents ?? der, 3) ?? []
  const contents = Buffer.from(tbs?.contents ?? [])
  const parts: Buffer[] = []
  for (let at = 0; at < contents.length;) {
    const end = readDer(contents, at)?.end ?? contents.length
    parts.push(contents.subarray(at, end))
    at = end
  }
  return parts
}

/** The leaf with one element of its TBSCertificate replaced; its signature no longer fits, which parsing does not ask. */
function withPart(index: number, part: Buffer): Buffer {
  const outer = readDer(leaf.der, 0)?.contents ?? leaf.der
  const rest = Buffer.from(outer.subarray(readDer(outer, 0)?.end))
  return sequence(sequence(...tbsParts(leaf.der).with(index, part)), rest)
}

test('parseCertificate holds the TBSCertificate to RFC 5280', () => {
  const serial = 1
  const validity = 4
  const times = (notBefore: string, notAfter: string): Buffer =>
    sequence(Buffer.from(notBefore, 'latin1'), Buffer.from(notAfter, 'latin1'))
  const good = '\x17\r261122120000Z'
  assert.equal(parseCertificate(withPart(serial, integer(Buffer.from([0xff]))), 'p').serial, 'FF')
  refuses(withPart(serial, Buffer.from('0201ff', 'hex')), /serial number is negative/)
  refuses(withPart(serial, Buffer.from('02020001', 'hex')), /serial number is not in DER/)
  refuses(withPart(0, Buffer.from('a003020103', 'hex')), /version/)
  refuses(withPart(0, Buffer.from('a003020101', 'hex')), /not of version 3/)
  refuses(withPart(2, sequence(Buffer.from('06032a0304', 'hex'))), /signature algorithms differ/)
  refuses(withPart(validity, times(good, '\x17\r261322120000Z')), /validity/)
  refuses(withPart(validity, times(good, '\x17\r260230120000Z')), /validity/)
  refuses(withPart(validity, times(good, '\x17\x0b2611221200Z')), /validity/)
  refuses(withPart(validity, times(good, '\x17\x11261122120000+0100')), /validity/)
  refuses(withPart(validity, times(good, '\x18\r261122120000Z')), /validity/)
  refuses(withPart(validity, sequence(Buffer.from(good, 'latin1'))), /two times/)
})

test('parseCertificate reads both forms of time, on either side of 1950 and 2049', () => {
  const read = (text: string): string => {
    const value = sequence(Buffer.from(text, 'latin1'), Buffer.from(text, 'latin1'))
    return new Date(parseCertificate(withPart(4, value), 'p').notAfter).toISOString()
  }
  assert.equal(read('\x17\r500101000000Z'), '1950-01-01T00:00:00.000Z')
  assert.equal(read('\x17\r491231235959Z'), '2049-12-31T23:59:59.000Z')
  assert.equal(read('\x18\x0f99991231235959Z'), '9999-12-31T23:59:59.000Z')
})

test('parseCertificate of any truncation or corruption is a fault of its own kind or a certificate', () => {
  const random = createSeededRandom('corruption')
  const attempt = (der: Buffer): boolean => {
    try {
      parseCertificate(der, 'place')
      return true
    } catch (thrown) {
      assert.ok(thrown instanceof SpindleError, String(thrown))
      assert.equal(thrown.code, 'certificate_invalid')
      return false
    }
  }
  for (let length = 0; length < leaf.der.length; length++) {
    assert.equal(attempt(leaf.der.subarray(0, length)), false)
  }
  let read = 0
  for (let round = 0; round < 3000; round++) {
    const der = Buffer.from(leaf.der)
    const at = Math.floor(random.fraction() * der.length)
    der[at] = Math.floor(random.fraction() * 256)
    if (attempt(der)) read++
  }
  assert.ok(read > 100, 'changes within names, keys and signatures are still certificates')
})
