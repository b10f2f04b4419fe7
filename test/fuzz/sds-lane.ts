/** One client after another on one connection after another: each says what is drawn, on streams and in calls. */
import assert from 'node:assert/strict'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect, constants } from 'node:http2'
import { connect as connectUnix } from 'node:net'
import { fromBinary } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { SecretSchema } from '../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import type { Draw } from './draw.ts'
import type { Memory, Message, Variant } from './sds-messages.ts'
import { drawFirst, drawMessage } from './sds-messages.ts'

export interface Tally {
  messages: number
  /** Of them: on a stream, or in a call, whose first message was valid. */
  afterValid: number
  streams: number
  responses: number
  /** How streams and calls ended, by the name of the status. */
  readonly ends: Map<string, number>
  /** Names of secrets received. */
  readonly names: Set<string>
}

interface Run {
  readonly session: ClientHttp2Session
  readonly draw: Draw
  readonly tally: Tally
  readonly variant: Variant
  readonly memory: Memory
}

const SERVICE = '/envoy.service.secret.v3.SecretDiscoveryService'
const METHODS = { sotw: 'StreamSecrets', delta: 'DeltaSecrets', fetch: 'FetchSecrets' }
const MOST_MESSAGES = 40
const STREAMS_A_CONNECTION = 40
const ENDS_MS = 30_000

/** Says messages until `tally` has `total` of them, whoever counted them. */
export async function runLane(
  socket: string,
  draw: Draw,
  { tally, total }: { readonly tally: Tally; readonly total: number },
): Promise<void> {
  const olderNonces: string[] = []
  while (tally.messages < total) {
    const session = connect('http://localhost', { createConnection: () => connectUnix(socket) })
    session.on('error', () => undefined)
    for (let count = 0; count < STREAMS_A_CONNECTION && tally.messages < total; count++) {
      const memory: Memory = { nonces: [], olderNonces, names: [], version: '', node: false }
      const variant = draw.pick<Variant>(['sotw', 'sotw', 'delta', 'delta', 'fetch'])
      tally.streams += 1
      await runStream({ session, draw, tally, variant, memory })
      olderNonces.splice(0, olderNonces.length, ...memory.nonces.slice(-8))
    }
    // No goodbye, whatever is still open on it.
    session.destroy()
  }
}

/** How a client is done: it has said all, and waits for the end; or it gives up, or leaves, and does not. */
const DONE = ['end', 'end', 'end', 'end', 'cancel', 'close', 'leave'] as const

async function runStream(run: Run): Promise<void> {
  const { session, draw, tally, variant, memory } = run
  const stream = session.request({
    ':method': 'POST',
    ':path': `${SERVICE}/${METHODS[variant]}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  const outcome = follow(stream, run)
  const valid = draw.chance(0.75)
  let readable = true
  const say = ({ bytes, valid: understood }: Message): void => {
    tally.messages += 1
    if (valid) tally.afterValid += 1
    const sound = !draw.chance(0.01)
    readable &&= understood && sound
    stream.write(sound ? framed(bytes) : misframed(draw, bytes))
  }
  if (valid) say(drawFirst(draw, variant, memory))
  const count = variant === 'fetch' ? (valid ? 0 : 1) : draw.int(MOST_MESSAGES)
  for (let index = 0; index < count && !outcome.over; index++) {
    say(drawMessage(draw, variant, memory))
    // Now and then what comes back is read before more is said: else every nonce would be of no response.
    if (draw.chance(0.3)) await new Promise((resolve) => setImmediate(resolve))
  }
  const done = variant === 'fetch' ? 'end' : draw.pick(DONE)
  if (done === 'end') stream.end()
  else if (done === 'cancel') stream.close(constants.NGHTTP2_CANCEL)
  else if (done === 'close') stream.close(constants.NGHTTP2_NO_ERROR)
  if (done === 'end') await within(outcome.closed, `the end of a stream (${variant})`)
  if (outcome.fault !== undefined) throw outcome.fault
  // Whatever a client says that can be read is no fault in Spindle.
  if (readable) assert.notEqual(outcome.code, status.INTERNAL, outcome.details)
  const name = outcome.code === undefined ? `none (${done})` : status[outcome.code]
  tally.ends.set(String(name), (tally.ends.get(String(name)) ?? 0) + 1)
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** With a flag or a length that is another. */
function misframed(draw: Draw, message: Buffer): Buffer {
  const bytes = framed(message)
  if (draw.chance(0.5)) bytes[0] = draw.pick([1, 255])
  else bytes.writeUInt32BE(draw.pick([0, message.length + 1, 5_000_000, 0xffff_ffff]), 1)
  return bytes
}

interface Outcome {
  /** grpc-status; undefined where none came. */
  code: number | undefined
  details: string
  over: boolean
  /** Something that was received is not as it must be. */
  fault: unknown
  readonly closed: Promise<void>
}

function follow(stream: ClientHttp2Stream, run: Run): Outcome {
  const outcome: Outcome = {
    code: undefined,
    details: '',
    over: false,
    fault: undefined,
    closed: new Promise((resolve) => stream.once('close', resolve)),
  }
  const readStatus = (fields: Record<string, unknown>): void => {
    if (fields['grpc-status'] === undefined) return
    outcome.over = true
    outcome.code = Number(fields['grpc-status'])
    outcome.details = String(fields['grpc-message'])
  }
  let left: Buffer = Buffer.alloc(0)
  stream
    .on('response', readStatus)
    .on('trailers', readStatus)
    .on('error', () => undefined)
  stream.on('data', (chunk: Buffer) => {
    left = Buffer.concat([left, chunk])
    while (left.length >= 5 && left.length >= 5 + left.readUInt32BE(1)) {
      const end = 5 + left.readUInt32BE(1)
      try {
        read(left.subarray(5, end), run)
      } catch (thrown) {
        outcome.fault = thrown
      }
      left = left.subarray(end)
    }
  })
  return outcome
}

function read(bytes: Buffer, { variant, memory, tally }: Run): void {
  tally.responses += 1
  const response =
    variant === 'delta'
      ? fromBinary(DeltaDiscoveryResponseSchema, bytes)
      : fromBinary(DiscoveryResponseSchema, bytes)
  assert.notEqual(response.nonce, '')
  assert(!memory.nonces.includes(response.nonce), 'a nonce came twice')
  memory.nonces.push(response.nonce)
  if ('versionInfo' in response) memory.version = response.versionInfo
  else memory.version = response.resources[0]?.version ?? memory.version
  for (const resource of response.resources) {
    const { value } = 'value' in resource ? resource : (resource.resource ?? {})
    if (value !== undefined) tally.names.add(fromBinary(SecretSchema, value).name)
  }
}

async function within(over: Promise<void>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ENDS_MS} ms`)), ENDS_MS)
  })
  try {
    await Promise.race([over, late])
  } finally {
    clearTimeout(timer)
  }
}
