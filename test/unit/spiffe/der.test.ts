import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { isDerSequence, readDer, readDerSeries } from '../../../src/spiffe/der.ts'
import { der } from './certificate-der.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

test('readDer reads short and long lengths, and where the next element begins', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536]) {
    const bytes = Buffer.concat([der(0x04, Buffer.alloc(length, 7)), hex('0500')])
    const element = readDer(bytes, 0)
    assert.equal(element?.tag, 0x04)
    assert.equal(element.contents.length, length)
    assert.equal(element.end, bytes.length - 2)
    assert.equal(readDer(bytes, element.end)?.tag, 0x05)
  }
})

test('readDer refuses what is cut short, of indefinite length, or longer written than needed', () => {
  const refused = ['', '30', '3001', '3081', '308180', '3080', '30800000', '308100', '30810100']
  refused.push(`3080${'00'.repeat(200)}`)
  for (const text of [
    ...refused,
    '3082000100',
    '30850000000001',
    '308400000001',
    `308401000000`,
    '3083ffffff',
    '1f0100',
  ]) {
    assert.equal(readDer(hex(text), 0), undefined, text)
  }
})

test('readDerSeries takes elements that fill the bytes, up to the limit', () => {
  assert.deepEqual(readDerSeries(hex('05000500'), 2)?.length, 2)
  assert.equal(readDerSeries(hex('05000500'), 1), undefined)
  assert.equal(readDerSeries(hex('050005'), 5), undefined)
  assert.deepEqual(readDerSeries(hex(''), 5), [])
})

test('isDerSequence takes exactly one SEQUENCE', () => {
  assert.equal(isDerSequence(hex('30020500')), true)
  for (const text of ['', '31020500', '3002050000', '300205', '0500']) {
    assert.equal(isDerSequence(hex(text)), false, text)
  }
})
