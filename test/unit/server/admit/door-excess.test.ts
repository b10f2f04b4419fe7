import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createManualClock } from '../../../fakes/clock.ts'
import { closing, setUp } from './door-setting.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
/** Of the whole connection, by one byte (RFC 9113 6.9): answered by nothing. */
const WINDOW_UPDATE = Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1])
const PING = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, ...Buffer.from('whenread')])

test(
  'Door ends a connection that floods it with frames that carry no message, within TLS too',
  { timeout: 20_000 },
  async (t) => {
    const manual = createManualClock({ now: Date.now() })
    const { tls, client, refusals } = await setUp(t, { manual })
    const other = client()
    assert.equal(await other(), 'anonymous')
    const flood = tls()
    await once(flood, 'secureConnect')
    const closed = closing(flood)
    const frames = Buffer.concat(Array.from({ length: 500_000 }, () => WINDOW_UPDATE))
    let heard = ''
    flood.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')))
    /** Resolves when the server has read it. */
    const send = async (bytes: Buffer): Promise<void> => {
      heard = ''
      flood.write(Buffer.concat([bytes, PING]))
      while (!heard.includes('whenread')) await nextTurn()
    }
    await send(Buffer.concat([PREFACE, EMPTY_SETTINGS, frames]))
    await manual.advance(1_000)
    assert.deepEqual(refusals, [], '6.5 MB in a second are no flood')
    await send(Buffer.concat([frames, frames]))
    await manual.advance(1_000)
    await closed
    assert.deepEqual(
      refusals.map(({ reason, address }) => [reason, address]),
      [['excess', '127.0.0.1']],
    )
    assert.equal(await other(), 'anonymous')
  },
)
