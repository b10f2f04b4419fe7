import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonNameOf } from '../../../../src/certs/proof/names.ts'
import { element, objectIdentifier, sequence, set, utf8String } from '../../../../src/certs/der.ts'
import { parseCertificate } from '../../../../src/certs/parse.ts'
import { makeCertificate } from '../make-certificate.ts'

const part = (oid: string, value: Buffer): Buffer => sequence(objectIdentifier(oid), value)
const CN = '2.5.4.3'
const nameOf = (...relative: readonly Buffer[]): string =>
  commonNameOf({ subjectName: sequence(...relative) })

test('commonNameOf reads the common name of a certificate, whatever is around it', async () => {
  const named = async (name: string): Promise<string> =>
    commonNameOf(parseCertificate((await makeCertificate({ name })).der, 'it'))
  assert.equal(await named('C=US, O=Example\\, Inc., CN=node-1.example.org'), 'node-1.example.org')
  assert.equal(await named('CN=a\\,b\\=c\\+d'), 'a,b=c+d')
  assert.equal(await named('O=Example'), '')
  assert.equal(await named(''), '')
})

test('commonNameOf takes the last of several, as Go does, and every kind of text', () => {
  assert.equal(nameOf(set(part(CN, utf8String('a'))), set(part(CN, utf8String('ä')))), 'ä')
  assert.equal(nameOf(set(part('2.5.4.10', utf8String('o')), part(CN, utf8String('b')))), 'b')
  for (const [tag, bytes] of [
    [0x13, 'n1'],
    [0x16, 'n1'],
    [0x1e, '\0n\x001'],
  ] as const)
    assert.equal(nameOf(set(part(CN, element(tag, Buffer.from(bytes, 'latin1'))))), 'n1')
  assert.equal(nameOf(set(part(CN, element(0x02, Buffer.of(1))))), '')
})

test('commonNameOf does not read what is no name', () => {
  assert.throws(() => commonNameOf({ subjectName: Buffer.of(0x31, 0) }))
  assert.throws(() => nameOf(sequence(part(CN, utf8String('a')))))
})
