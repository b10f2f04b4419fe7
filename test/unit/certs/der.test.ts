import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  integer,
  LATEST_TIME,
  objectIdentifier,
  octetString,
  time,
} from '../../../src/certs/der.ts'
import { dottedOid } from '../../../src/certs/extensions.ts'
import { readDer } from '../../../src/spiffe/der.ts'

test('element writes the shortest length at every boundary, as the strict reader wants it', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
    const written = octetString(Buffer.alloc(length, 0x5a))
    const read = readDer(written, 0)
    assert.equal(read?.contents.length, length)
    assert.equal(read?.end, written.length)
  }
})

test('integer is minimal and never negative', () => {
  const cases = { '': '020100', '00': '020100', '0000': '020100', '01': '020101', '7f': '02017f' }
  const signed = { '80': '02020080', '0080': '02020080', '00007f': '02017f', ff00: '020300ff00' }
  for (const [bytes, der] of Object.entries({ ...cases, ...signed })) {
    assert.equal(integer(Buffer.from(bytes, 'hex')).toString('hex'), der)
  }
})

test('time is UTCTime from 1950 to 2049 and GeneralizedTime from 2050, without fractions', () => {
  const text = (instant: number): string => time(instant).toString('latin1')
  assert.equal(text(0), '\x17\r700101000000Z')
  assert.equal(text(Date.UTC(2049, 11, 31, 23, 59, 59)), '\x17\r491231235959Z')
  assert.equal(text(Date.UTC(2050, 0, 1)), '\x18\x0f20500101000000Z')
  assert.equal(text(LATEST_TIME), '\x18\x0f99991231235959Z')
})

test('objectIdentifier writes what dottedOid reads, small arcs and large', () => {
  assert.equal(objectIdentifier('1.2.840.10045.2.1').toString('hex'), '06072a8648ce3d0201')
  for (const oid of [
    '2.5.29.17',
    '1.3.6.1.5.5.7.3.1',
    '1.2.840.113549.1.1.11',
    '2.999.2147483647',
  ]) {
    assert.equal(dottedOid(objectIdentifier(oid).subarray(2)), oid)
  }
})

test('dottedOid reads 128-bit arcs exactly and refuses what is not DER', () => {
  // 2.25 with the greatest UUID: nineteen bytes of seven bits.
  const uuid = Buffer.from(`6983${'ff'.repeat(17)}7f`, 'hex')
  assert.equal(dottedOid(uuid), `2.25.${2n ** 128n - 1n}`)
  for (const bad of ['', '2a86', '2a8001']) {
    assert.throws(() => dottedOid(Buffer.from(bad, 'hex')), /OBJECT IDENTIFIER/)
  }
})
