import assert from 'node:assert/strict'
import { createServer } from 'node:http2'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import { AuthorityMender, mayNamePath } from '../../../src/wire/authority.ts'
import { frame, FRAME } from '../../e2e/rig/http2-frames.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const settings = (...pairs: readonly (readonly [id: number, value: number])[]): Buffer => {
  const payload = Buffer.alloc(6 * pairs.length)
  for (const [index, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * index)
    payload.writeUInt32BE(value, 6 * index + 2)
  }
  return frame(FRAME.settings, 0, payload)
}

/** What java-spiffe 0.8.17 says first (grpc-java 1.80), and then of FetchX509SVID, as it was recorded. */
const JAVA_HELLO = Buffer.concat([
  PREFACE,
  settings([2, 0], [3, 0], [4, 1_048_576], [6, 8_192]),
  Buffer.from('00000408000000000000 0f0001'.replace(' ', ''), 'hex'),
])
const JAVA_PATH = '/run/spindle/agent.sock'
const JAVA_HEADERS = Buffer.concat([
  Buffer.from([0x41, JAVA_PATH.length]),
  Buffer.from(JAVA_PATH),
  Buffer.from([0x44, 32]),
  Buffer.from('/SpiffeWorkloadAPI/FetchX509SVID'),
  // :method POST and :scheme http of the static table.
  Buffer.from([0x83, 0x86]),
  Buffer.from([0x5f, 16]),
  Buffer.from('application/grpc'),
  Buffer.from([0x40, 2]),
  Buffer.from('te'),
  Buffer.from([8]),
  Buffer.from('trailers'),
])
const headers = (block: Buffer, flags = 0x5): Buffer => frame(FRAME.headers, 3, block, flags)

test('mayNamePath() knows the clients that let a server open no streams', () => {
  assert.equal(mayNamePath(JAVA_HELLO), true)
  const others = [
    settings(),
    settings([4, 65_535]),
    settings([3, 100], [2, 0]),
    settings([3, 2 ** 31 - 1]),
    frame(FRAME.ping, 0, Buffer.alloc(8)),
  ]
  for (const other of others) assert.equal(mayNamePath(Buffer.concat([PREFACE, other])), false)
  for (const text of ['GET / HTTP/1.1\r\n', '\x16\x03\x01\x02\x00', 'PRI * HTTP/1'])
    assert.equal(mayNamePath(Buffer.from(text)), false, text)
})

test('mayNamePath() waits for the settings to be whole, and for no more', () => {
  const whole = PREFACE.length + 9 + 24
  for (let length = 0; length < whole; length++)
    assert.equal(mayNamePath(JAVA_HELLO.subarray(0, length)), undefined, String(length))
  assert.equal(mayNamePath(JAVA_HELLO.subarray(0, whole)), true)
})

const mendAll = (chunks: readonly Buffer[]): Buffer => {
  const mender = new AuthorityMender()
  return Buffer.concat(chunks.flatMap((chunk) => mender.mend(chunk)))
}

test('AuthorityMender writes over what may not stand in an authority, and nothing else', () => {
  const sent = Buffer.concat([
    JAVA_HELLO,
    headers(JAVA_HEADERS),
    frame(FRAME.data, 3, JAVA_HEADERS),
  ])
  const mended = mendAll([sent])
  const changed = Array.from(sent.keys()).filter((at) => sent[at] !== mended[at])
  const start = sent.indexOf(JAVA_PATH)
  assert.equal(mended.length, sent.length)
  assert.equal(
    mended.subarray(start, start + JAVA_PATH.length).toString(),
    '-run-spindle-agent.sock',
  )
  assert.deepEqual(changed, [start, start + 4, start + 12])
})

test('AuthorityMender mends however the block is written: with padding, priority, another index, or name in full', () => {
  const literal = (head: readonly number[], value: string): Buffer =>
    Buffer.concat([Buffer.from([...head, value.length]), Buffer.from(value)])
  const name = [10, ...Buffer.from(':authority')]
  const blocks = [
    literal([0x41], '/a'),
    literal([0x01], '/a'),
    literal([0x11], '/a'),
    literal([0x40, ...name], '/a'),
    literal([0x00, ...name], '/a'),
    // A new size of the table, a field by its index, one by a long index of its name.
    Buffer.concat([
      Buffer.from([0x3f, 0xe1, 0x1f, 0x83]),
      literal([0x7f, 0x05], 'x'),
      literal([0x41], '/a'),
    ]),
  ]
  for (const block of blocks) {
    const padded = Buffer.concat([Buffer.from([3]), block, Buffer.from('/a/')])
    const prior = Buffer.concat([Buffer.alloc(5, 0x41), block])
    const frames = [headers(block), headers(padded, 0xd), headers(prior, 0x25)]
    for (const each of frames) {
      const mended = mendAll([PREFACE, each]).subarray(PREFACE.length)
      const at = each.lastIndexOf('/a', each.length - (each === frames[1] ? 4 : 1))
      assert.equal(mended.subarray(at, at + 2).toString(), '-a', each.toString('hex'))
      assert.equal(mended.subarray(at + 2).equals(each.subarray(at + 2)), true)
    }
  }
})

test('AuthorityMender leaves a good authority, other fields and Huffman coding as they are', () => {
  const good = Buffer.from('localhost:80')
  const blocks = [
    Buffer.concat([Buffer.from([0x41, good.length]), good]),
    Buffer.concat([Buffer.from([0x44, 2]), Buffer.from('/a')]),
    Buffer.from([0x41, 0x82, 0x2f, 0x2f]),
    Buffer.from([0x41, 0x7f]),
    Buffer.from([0x41, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    Buffer.alloc(0),
  ]
  for (const block of blocks) {
    const sent = Buffer.concat([PREFACE, headers(block)])
    assert(mendAll([sent]).equals(sent), block.toString('hex'))
  }
})

test('AuthorityMender gives the same however the bytes are cut, and passes on any others unchanged', () => {
  const said = Buffer.concat([JAVA_HELLO, headers(JAVA_HEADERS), headers(JAVA_HEADERS)])
  const cut = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 })
  fc.assert(
    fc.property(cut, fc.uint8Array({ maxLength: 300 }), (sizes, after) => {
      const sent = Buffer.concat([said, after])
      const chunks: Buffer[] = []
      for (let at = 0, step = 0; at < sent.length; step++) {
        const size = sizes[step % sizes.length] ?? 1
        chunks.push(sent.subarray(at, at + size))
        at += size
      }
      const mended = mendAll(chunks)
      assert(mended.equals(mendAll([sent])))
      assert.equal(mended.includes(JAVA_PATH), false)
      assert(mended.length <= sent.length && mended.length >= said.length)
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
      new AuthorityMender().mend(Buffer.concat([PREFACE, bytes]))
    }),
  )
})

test('AuthorityMender makes of what grpc-java sends what Node takes, also when the field comes by the table', async (t) => {
  const seen: unknown[] = []
  const server = createServer()
  server.on('stream', (stream) => {
    stream.on('error', () => undefined)
    stream.respond()
    stream.end()
  })
  const both = Promise.withResolvers<void>()
  server.on('request', ({ headers: fields }) => {
    if (seen.push(fields[':authority']) === 2) both.resolve()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => {
    socket.destroy()
    server.close()
  })
  socket.on('error', () => undefined)
  // The second time by the entry that the first has made: the table has 61 fields of its own, and the newest is next.
  const again = Buffer.from([0x80 | 65, 0x80 | 64, 0x83, 0x86])
  socket.write(mendAll([JAVA_HELLO, headers(JAVA_HEADERS), frame(FRAME.headers, 5, again, 0x5)]))
  await both.promise
  assert.deepEqual(seen, ['-run-spindle-agent.sock', '-run-spindle-agent.sock'])
})
