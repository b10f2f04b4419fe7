import assert from 'node:assert/strict'
import { test } from 'node:test'
import { X509Certificate } from 'node:crypto'
import {
  readCertificatesPem,
  readTrustAnchorsPem,
  toPem,
  usableTrustAnchors,
} from '../../../src/certs/parse.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { makeCa, makeLeaf, rawExtension } from './make-certificate.ts'

const ca = await makeCa({ name: 'CN=root' })
const other = await makeCa({ name: 'CN=other' })
const pem = toPem(ca.der, 'CERTIFICATE')

function refuses(text: string, message: RegExp): void {
  assert.throws(
    () => readCertificatesPem(text, 'bundleFile'),
    (thrown) =>
      thrown instanceof SpindleError &&
      thrown.code === 'certificate_invalid' &&
      thrown.message.startsWith('bundleFile: ') &&
      message.test(thrown.message),
    message.source,
  )
}

test('toPem is what OpenSSL writes', () => {
  assert.equal(pem, new X509Certificate(ca.der).toString())
})

test('toPem breaks lines at 64 characters for every length', () => {
  for (let length = 1; length < 200; length++) {
    const lines = toPem(Buffer.alloc(length, 7), 'PUBLIC KEY').split('\n')
    assert.equal(lines.pop(), '')
    assert.ok(lines.slice(1, -2).every((line) => line.length === 64))
    assert.equal(Buffer.from(lines.slice(1, -1).join(''), 'base64').length, length)
  }
})

test('readCertificatesPem reads every block in order, with CRLF, blank lines and trailing blanks', () => {
  const text = `\r\n${pem.replaceAll('\n', '\r\n')}\n\n${toPem(other.der, 'CERTIFICATE')}  \n`
  assert.deepEqual(readCertificatesPem(text, 'p'), [ca.der, other.der])
})

test('readCertificatesPem names the block and what is wrong with it', () => {
  const [head = '', ...lines] = pem.trimEnd().split('\n')
  const end = lines.pop() ?? ''
  const broken = (body: readonly string[]): string => [head, ...body, end, ''].join('\n')
  refuses('', /no CERTIFICATE block/)
  refuses('  \n\n', /no CERTIFICATE block/)
  refuses(`# my CA\n${pem}`, /line 1: text outside/)
  refuses(`${pem}garbage`, /text outside/)
  refuses(pem + broken([...lines, '!!!!']), /block 2 is not base64/)
  refuses(broken([...lines, 'AA=A']), /block 1 is not base64/)
  refuses(broken(lines.with(0, `${lines[0]?.slice(0, -1)}`)), /block 1 is not base64/)
  refuses(broken([]), /block 1 is empty/)
  refuses(pem + pem.slice(0, 200), /block 2 has no END line/)
  refuses(`${head}\n${pem}`, /block 1 has no END line/)
  refuses(pem.replace('END CERTIFICATE', 'END X'), /block 1: END does not match BEGIN/)
  refuses(`${end}\n`, /END does not match BEGIN/)
  refuses(pem + toPem(ca.key.pkcs8, 'PRIVATE KEY'), /block 2 is a PRIVATE KEY/)
  refuses(pem + toPem(Buffer.from('3000', 'hex'), 'CERTIFICATE'), /block 2: not a certificate/)
})

test('readCertificatesPem refuses bytes after a certificate within its block', () => {
  const trailing = Buffer.concat([other.der, Buffer.from([0])])
  refuses(pem + toPem(trailing, 'CERTIFICATE'), /block 2: not a certificate/)
})

test('readCertificatesPem never quotes the text, which may be a key', () => {
  const secret = toPem(ca.key.pkcs8, 'PRIVATE KEY').split('\n').slice(1).join('\n')
  assert.throws(
    () => readCertificatesPem(secret, 'p'),
    (thrown) => thrown instanceof Error && !thrown.message.includes(secret.slice(0, 12)),
  )
})

test('readTrustAnchorsPem keeps a certificate once and says what is unusual', async () => {
  // permitted: the URI host example.org
  const limited = await makeCa({
    more: [rawExtension('2.5.29.30', true, '3011a00f300d860b6578616d706c652e6f7267')],
  })
  const text = [ca, other, ca, limited].map(({ der }) => toPem(der, 'CERTIFICATE')).join('')
  const { anchors, warnings } = readTrustAnchorsPem(text, 'bundleFile')
  assert.deepEqual(
    anchors.map(({ der }) => der),
    [ca.der, other.der, limited.der],
  )
  assert.equal(warnings.length, 2)
  assert.match(warnings[0] ?? '', /block 3 \(CN=root\) occurs twice/)
  assert.match(warnings[1] ?? '', /block 4 .*name constraints/)
})

test('readTrustAnchorsPem refuses a certificate that may not sign', async () => {
  const leaf = await makeLeaf({ by: ca })
  assert.throws(
    () => readTrustAnchorsPem(pem + toPem(leaf.der, 'CERTIFICATE'), 'bundleFile'),
    /bundleFile: block 2 .*may not sign: XC-/,
  )
})

test('usableTrustAnchors passes over what is no certificate and what may not sign, each alone', async () => {
  const leaf = await makeLeaf({ by: ca })
  const { anchors, warnings } = usableTrustAnchors([
    Buffer.from('3000', 'hex'),
    ca.der,
    leaf.der,
    other.der,
  ])
  assert.deepEqual(anchors, [ca.der, other.der])
  assert.match(warnings[0] ?? '', /^X\.509 authority 1: not a certificate: .*passed over$/)
  assert.match(warnings[1] ?? '', /^X\.509 authority 3 is passed over: it may not sign: XC-/)
  assert.equal(warnings.length, 2)
})

test('a trust anchor whose key nobody can read vouches for nothing, and is none', async () => {
  const key = ca.key
  // id-ecPublicKey of a curve that does not exist.
  const spki = Buffer.from(key.spki)
  spki[spki.indexOf(Buffer.from('06082a8648ce3d030107', 'hex')) + 9] = 0x7f
  const broken = await makeCa({ key: { ...key, spki }, by: other })
  const { anchors, warnings } = usableTrustAnchors([broken.der, ca.der])
  assert.deepEqual(anchors, [ca.der])
  assert.match(warnings.join(), /^X\.509 authority 1 is passed over: .*key cannot be read$/)
  assert.throws(
    () => readTrustAnchorsPem(pem + toPem(broken.der, 'CERTIFICATE'), 'bundleFile'),
    /bundleFile: block 2 .*may not sign: its public key cannot be read/,
  )
})
