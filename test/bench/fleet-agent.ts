/** An agent of a fleet as its server sees one: a TLS connection of its own, the sync stream, CSRs. HTTP/2 by hand, so that a thousand cost little. */
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { createSecureContext, connect as connectTls } from 'node:tls'
import type { SecureContext } from 'node:tls'
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { SyncResponse } from '../../src/gen/spindle/sync/v1/sync_pb.js'
import { SyncRequestSchema, SyncResponseSchema } from '../../src/gen/spindle/sync/v1/sync_pb.js'

export interface SimulatedAgent {
  readonly spiffeId: string
  /** Rounds it has applied. */
  readonly rounds: number
  /** Resolves with the first round of its stream; from then on each is applied as it comes. */
  connect(): Promise<void>
  /** Called with each part of a round. */
  listener: ((part: SyncResponse) => void) | undefined
  call<I extends DescMessage, O extends DescMessage>(
    path: string,
    schemas: { readonly input: I; readonly output: O },
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>
  close(): void
}

export interface Identity {
  readonly spiffeId: string
  /** PEM. */
  readonly certificates: string
  readonly key: string
}

const HEAD_BYTES = 5

export function simulatedAgent(address: string, identity: Identity): SimulatedAgent {
  const { spiffeId, certificates, key } = identity
  const [host = '', port = ''] = address.split(':')
  let context: SecureContext | undefined
  let session: ClientHttp2Session | undefined
  let token: Uint8Array = new Uint8Array()
  let rounds = 0

  const open = (): ClientHttp2Session => {
    context ??= createSecureContext({ cert: certificates, key })
    const options = { host, port: Number(port), secureContext: context, ALPNProtocols: ['h2'] }
    const socket = connectTls({ ...options, servername: 'server', rejectUnauthorized: false })
    const opened = connect(`https://${address}`, { createConnection: () => socket })
    return opened.on('error', () => undefined)
  }
  const request = (path: string): ClientHttp2Stream => {
    session ??= open()
    const headers = { 'content-type': 'application/grpc', te: 'trailers' }
    return session.request({ ':method': 'POST', ':path': path, ...headers }, { endStream: false })
  }

  const agent: SimulatedAgent = {
    spiffeId,
    listener: undefined,
    get rounds() {
      return rounds
    },
    connect: () =>
      new Promise((resolve, reject) => {
        const stream = request('/spindle.sync.v1.SyncService/Sync')
        const say = (step: MessageInitShape<typeof SyncRequestSchema>): void =>
          void stream.write(framed(SyncRequestSchema, step))
        stream.once('close', () => reject(new Error(`the stream of ${spiffeId} has ended`)))
        onMessage(stream, (bytes) => {
          const part = fromBinary(SyncResponseSchema, bytes)
          agent.listener?.(part)
          if (!part.complete) return
          token = part.resumeToken
          rounds += 1
          say({ step: { case: 'applied', value: { resumeToken: token } } })
          resolve()
        })
        say({ step: { case: 'open', value: { resumeToken: token } } })
      }),
    async call(path, { input, output }, message) {
      const stream = request(path)
      let answer: Buffer | undefined
      onMessage(stream, (bytes) => (answer = bytes))
      let status = ''
      const read = (headers: Readonly<Record<string, unknown>>): void => {
        status = `${String(headers['grpc-status'])} ${String(headers['grpc-message'])}`
      }
      stream.on('response', read).on('trailers', read)
      stream.end(framed(input, message))
      await once(stream, 'close')
      if (answer === undefined) throw new Error(`${path}: ${status}`)
      return fromBinary(output, answer)
    },
    close() {
      session?.destroy()
      session = undefined
    },
  }
  return agent
}

function framed<I extends DescMessage>(schema: I, message: MessageInitShape<I>): Buffer {
  const bytes = toBinary(schema, create(schema, message))
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

function onMessage(stream: ClientHttp2Stream, take: (bytes: Buffer) => void): void {
  let held: Buffer = Buffer.alloc(0)
  stream.on('error', () => undefined)
  stream.on('data', (chunk: Buffer) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (held.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + held.readUInt32BE(1)
      if (held.length < end) return
      take(held.subarray(HEAD_BYTES, end))
      held = held.subarray(end)
    }
  })
}
