import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  httpChallengePath,
  readHttpChallenge,
  readHttpChallengePlace,
  writeHttpChallenge,
  writeHttpChallengePlace,
  writeHttpChallengeResponse,
} from '../../../src/spiffe/http-challenge.ts'

const invalid = { code: 'request_invalid' }
const bytes = (text: string): Buffer => Buffer.from(text)

test('a place is written and read as SPIRE has it', () => {
  const text = '{"hostname":"p1.example.com","agentname":"default","port":80}'
  const place = { hostName: 'p1.example.com', agentName: 'default', port: 80 }
  assert.equal(writeHttpChallengePlace(place).toString(), text)
  assert.deepEqual(readHttpChallengePlace(bytes(text)), place)
  assert.equal(
    httpChallengePath(place),
    '/.well-known/spiffe/nodeattestor/http_challenge/default/challenge',
  )
})

test('a place is refused whose URL would lead elsewhere than its name says', () => {
  const good = { hostName: 'p1.example.com', agentName: 'default', port: 80 }
  const hosts = [
    '',
    'a/b',
    'a:80',
    'a@b',
    'a..b',
    '.a',
    'a.',
    '-a',
    'a b',
    '[::1]',
    'ä',
    '*.a',
    'a?',
  ]
  for (const hostName of [...hosts, `${'a'.repeat(64)}.b`, 'a.'.repeat(126) + 'aa'])
    assert.throws(
      () => readHttpChallengePlace(writeHttpChallengePlace({ ...good, hostName })),
      invalid,
    )
  for (const agentName of ['', 'a.b', '../a', 'a/b', '1a', 'a%2f', 'a'.repeat(33)])
    assert.throws(
      () => readHttpChallengePlace(writeHttpChallengePlace({ ...good, agentName })),
      invalid,
    )
  for (const port of [0, -1, 65_536, 1.5])
    assert.throws(() => readHttpChallengePlace(writeHttpChallengePlace({ ...good, port })), invalid)
  for (const text of ['', '[]', '{}', '{"hostname":1,"agentname":"a","port":80}'])
    assert.throws(() => readHttpChallengePlace(bytes(text)), invalid)
  assert.throws(() => readHttpChallengePlace(Buffer.alloc(4097, 0x20)), invalid)
})

test('names of containers and addresses of four numbers are hosts too', () => {
  for (const hostName of ['node_1', '10.0.0.7', 'A.example.org'])
    assert.equal(
      readHttpChallengePlace(writeHttpChallengePlace({ hostName, agentName: 'a', port: 1 }))
        .hostName,
      hostName,
    )
})

test('a challenge is a nonce, its response is empty', () => {
  const nonce = 'bm9uY2Vub25jZW5vbmNlbm9uY2Vub25jZW5vbmNlbg=='
  assert.equal(writeHttpChallenge(nonce).toString(), `{"nonce":"${nonce}"}`)
  assert.equal(readHttpChallenge(writeHttpChallenge(nonce)), nonce)
  assert.equal(writeHttpChallengeResponse().toString(), '{}')
  for (const bad of ['short', 'with a space in it all', 'x'.repeat(65)])
    assert.throws(() => readHttpChallenge(writeHttpChallenge(bad)), invalid)
})
