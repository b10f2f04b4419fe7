import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import type { Log, LogLevel } from '../../../src/telemetry/log.ts'
import { createManualClock } from '../../fakes/clock.ts'

function setUp(level: LogLevel = 'trace', format: 'json' | 'text' = 'json') {
  const lines: string[] = []
  const stream = { write: (line: string) => void lines.push(line) }
  const clock = createManualClock({ now: Date.UTC(2030, 0, 1) })
  const log: Log = createLog({ level, format, stream, clock })
  return { lines, log, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> }
}

test('createLog() writes one JSON object a line, by the clock it is given', () => {
  const { log, lines } = setUp()
  log.info({ connections: 3 }, 'ready')
  assert.deepEqual(lines, [
    '{"level":"info","time":"2030-01-01T00:00:00.000Z","connections":3,"message":"ready"}\n',
  ])
})

test('createLog() writes its level and above', () => {
  const { log, lines } = setUp('warn')
  for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) log[level]({}, level)
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { message: string }).message),
    ['warn', 'error'],
  )
})

test('createLog() gives a child the fields of its parents', () => {
  const { log, last } = setUp()
  log.child({ connection: 'c1' }).child({ pid: 7 }).warn({ uid: 1 }, 'closed')
  assert.deepEqual(
    [last()['connection'], last()['pid'], last()['uid'], last()['message']],
    ['c1', 7, 1, 'closed'],
  )
})

test('createLog() cuts errors to code and message, and keeps frames of unforeseen ones', () => {
  const { log, last } = setUp()
  const cause = new SpindleError('certificate_invalid', 'no leaf')
  log.error({ error: new SpindleError('authority_unavailable', 'not now', { cause }) }, 'failed')
  assert.deepEqual(last()['error'], {
    code: 'authority_unavailable',
    message: 'not now',
    cause: { code: 'certificate_invalid', message: 'no leaf' },
  })
  log.error({ error: new TypeError('x is not a function') }, 'failed')
  const error = last()['error'] as { code: string; stack: string[] }
  assert.equal(error.code, 'internal')
  assert.match(error.stack[0]!, /^at /)
})

test('createLog() lets no field take the place of level, time or message', () => {
  const { log, lines } = setUp()
  log.info({ level: 'error', time: 'never', message: 'forged' }, 'true')
  assert.equal(lines[0]!.match(/"message":/g)?.length, 1)
  assert.equal((JSON.parse(lines[0]!) as { message: string }).message, 'true')
})

test('createLog() writes no private key, whatever it is wrapped in', () => {
  for (const pair of [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ])
    for (const format of ['json', 'text'] as const) {
      const { log, lines } = setUp('trace', format)
      const { privateKey } = pair
      const der = privateKey.export({ type: 'pkcs8', format: 'der' })
      const bare = der.toString('base64')
      const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
      const older = privateKey.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs1'
      const legacy = String(privateKey.export({ type: older, format: 'pem' }))
      const jwk = privateKey.export({ format: 'jwk' })
      const wrapped: unknown[] = [
        pem,
        legacy,
        pem.replaceAll('\n', '\\n'),
        bare,
        der,
        new Uint8Array(der),
        der.buffer,
        legacy.split('\n').slice(1, -2).join(''),
        privateKey,
        jwk,
        new Error(`rejected: ${pem}`),
        new Error('outer', { cause: new Error(legacy) }),
        new Map([['k', pem]]),
        new Set([der]),
        [[{ deep: { deeper: pem } }]],
        { pkcs8: bare.slice(30) },
      ]
      for (const value of wrapped) {
        log.info({ value }, 'field')
        log.child({ value }).info({}, 'child')
      }
      log.info({}, `message ${pem}`)
      const text = lines.join('')
      // Pieces of the secret numbers themselves, in each form they might be written in.
      for (const secret of [jwk.d, jwk.p, jwk.q]) {
        if (secret === undefined) continue
        const own = Buffer.from(secret, 'base64url')
        const pieces = [0, 1, 2].map((shift) => own.subarray(shift).toString('base64').slice(4, 24))
        pieces.push(own.toString('hex').slice(8, 32), own.subarray(4, 16).join(','))
        pieces.push(...pieces.map((piece) => piece.replaceAll('+', '-').replaceAll('/', '_')))
        for (const piece of pieces)
          assert.ok(!text.includes(piece), `${format}: ${piece} is in the log`)
      }
    }
})

test('createLog() survives fields that JSON cannot hold', () => {
  const { log, last } = setUp()
  const ring: Record<string, unknown> = {}
  ring['self'] = ring
  log.info({ ring, big: 2n ** 70n, run: () => 1, none: undefined, sign: Symbol('x') }, 'odd')
  assert.equal(last()['big'], String(2n ** 70n))
  assert.equal(last()['message'], 'odd')
})

test('createLog() in text writes one line, with nothing that steers a terminal', () => {
  const { log, lines } = setUp('info', 'text')
  log.warn(
    {
      pid: 7,
      path: '/a b',
      note: 'x\ny\u001b[31m\u2028',
      error: new SpindleError('peer_gone', 'it ended'),
    },
    'caller\nforged',
  )
  assert.deepEqual(lines, [
    '2030-01-01T00:00:00.000Z warn  caller\\u000aforged pid=7 path="/a b" note="x\\ny\\u001b[31m\\u2028" error.code=peer_gone error.message="it ended"\n',
  ])
})
