import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { shownText } from '../../../src/runtime/shown-text.ts'

test('shownText() leaves nothing that moves a terminal’s cursor or begins a line', () => {
  assert.equal(shownText('spiffe://example.org/wéb', 100), 'spiffe://example.org/wéb')
  const text = 'a\u001b[2Jb\nc\rd\u0085e\u2028f\u202eg\u0000'
  assert.equal(shownText(text, 100), 'a?[2Jb?c?d?e?f?g?')
})

test('shownText() cuts at the length it is given', () => {
  assert.equal(shownText('x'.repeat(10), 4), 'xxxx')
})

test('shownText() shows nothing of a text that holds a private key, however short it is cut', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  assert.equal(shownText(`name\n${pem}`, 10), '[redacted: private key]')
})
