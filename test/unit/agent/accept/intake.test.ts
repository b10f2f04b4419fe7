import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createIntake } from '../../../../src/agent/accept/intake.ts'
import { openLibc } from '../../../../src/os/libc.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import type { FakeConnection } from '../../../fakes/connection.ts'
import { createFakeConnection } from '../../../fakes/connection.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const settings = (id: number): Buffer =>
  Buffer.from(`00000604000000000000${id.toString(16).padStart(2, '0')}00000000`, 'hex')
const PLAIN = Buffer.concat([Buffer.from(PREFACE), settings(2)])
const JAVA = Buffer.concat([Buffer.from(PREFACE), settings(3)])
const AUTHORITY = Buffer.from('0000040104000000014102' + Buffer.from('/a').toString('hex'), 'hex')

interface Setting {
  readonly caller: Socket
  readonly accepted: Socket
  readonly connection: FakeConnection
  readonly clock: ReturnType<typeof createManualClock>
  /** Resolves to what is handed on. */
  readonly taken: Promise<Socket>
  readonly handed: () => boolean
}

async function setUp(
  t: TestContext,
  { first, claim = () => true }: { first?: Buffer; claim?: () => boolean } = {},
): Promise<Setting> {
  const path = join(temporaryFolder(t), 'socket')
  const server = createServer({ pauseOnConnect: true }).listen(path)
  await once(server, 'listening')
  const caller = connect(path)
  caller.on('error', () => undefined)
  if (first !== undefined) caller.write(first)
  const [accepted] = (await once(server, 'connection')) as [Socket]
  accepted.on('error', () => undefined)
  const connection = createFakeConnection()
  const clock = createManualClock()
  const { promise, resolve } = Promise.withResolvers<Socket>()
  let isHanded = false
  t.after(() => {
    connection.destroy('the test is over')
    caller.destroy()
    accepted.destroy()
    server.close()
  })
  const intake = createIntake({ libc: openLibc(), clock })
  intake({ connection, socket: accepted, claim }, (socket) => {
    isHanded = true
    resolve(socket)
  })
  return { caller, accepted, connection, clock, taken: promise, handed: () => isHanded }
}

/** Advances by small steps until it is so: bytes take a moment through the kernel. */
async function until(clock: Setting['clock'], holds: () => boolean): Promise<void> {
  for (let step = 0; step < 5_000 && !holds(); step++) await clock.advance(1)
  assert(holds())
}

test('createIntake() hands the very socket on, with none of its bytes read', async (t) => {
  const { clock, handed, taken, accepted } = await setUp(t, { first: PLAIN })
  await until(clock, handed)
  const socket = await taken
  assert.equal(socket, accepted)
  const heard = once(socket, 'data')
  socket.resume()
  const [bytes] = (await heard) as [Buffer]
  assert.deepEqual(bytes, PLAIN)
})

test('createIntake() waits for a caller that has said too little, however slow, and looks ever less often', async (t) => {
  const { clock, handed, caller } = await setUp(t)
  await clock.advance(1_000)
  assert.equal(handed(), false)
  for (const byte of PLAIN.subarray(0, -1)) caller.write(Buffer.of(byte))
  await clock.advance(1_000)
  assert.equal(handed(), false)
  assert.equal(clock.pending, 1)
  caller.write(PLAIN.subarray(-1))
  await until(clock, handed)
  assert.equal(clock.pending, 0)
})

test('createIntake() hands on what is no HTTP/2 at once, and a caller that has gone', async (t) => {
  const other = await setUp(t, { first: Buffer.from('GET / HTTP/1.1\r\n') })
  await until(other.clock, other.handed)
  const gone = await setUp(t)
  gone.caller.end()
  await until(gone.clock, gone.handed)
})

test('createIntake() looks no more at a connection that was ended', async (t) => {
  const { clock, connection, accepted, handed } = await setUp(t)
  assert.equal(clock.pending, 1)
  connection.destroy('enough')
  accepted.destroy()
  await clock.advance(200)
  assert.equal(clock.pending, 0)
  assert.equal(handed(), false)
})

test('createIntake() gives a caller that names a path the other end of a pair, both ways, until either has gone', async (t) => {
  const { clock, handed, taken, accepted, connection, caller } = await setUp(t, {
    first: Buffer.concat([JAVA, AUTHORITY]),
  })
  await until(clock, handed)
  const socket = await taken
  assert.notEqual(socket, accepted)
  assert.equal(socket.remoteAddress, connection.id)
  const heard: Buffer[] = []
  socket.on('data', (bytes: Buffer) => heard.push(bytes))
  const length = JAVA.length + AUTHORITY.length
  while (Buffer.concat(heard).length < length) await once(socket, 'data')
  assert.deepEqual(
    Buffer.concat(heard),
    Buffer.concat([JAVA, AUTHORITY.subarray(0, -2), Buffer.from('-a')]),
  )
  socket.write('answer')
  const [answer] = (await once(caller, 'data')) as [Buffer]
  assert.equal(answer.toString(), 'answer')
  caller.destroy()
  await once(socket, 'close')
})

test('createIntake() ends the socket of a caller with the pair, and takes no pair that may not be', async (t) => {
  const { clock, handed, taken, caller } = await setUp(t, { first: JAVA })
  await until(clock, handed)
  const ended = once(caller, 'close')
  ;(await taken).destroy()
  caller.resume()
  await ended
  const refused = await setUp(t, { first: JAVA, claim: () => false })
  await refused.clock.advance(300)
  assert.equal(refused.handed(), false)
})
