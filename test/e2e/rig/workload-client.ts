/** A client of the Workload API of the test's own: it sends what it is told to, well formed or not, and keeps all it is sent. */
import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { openConnection } from './connection.ts'
import { eventually } from './rig.ts'

export interface ReceivedStream<T> {
  readonly received: readonly T[]
  /** Set once the stream has ended. */
  readonly ended: grpc.StatusObject | undefined
  /** The first message that is not before `from` and that `wanted` picks. */
  next(wanted?: (message: T) => boolean, from?: number): Promise<T>
  status(): Promise<grpc.StatusObject>
  /** Reads no more until it is resumed. */
  pause(): void
  resume(): void
  close(): void
}

export interface WorkloadTestClient {
  stream<M extends DescMethodServerStreaming>(
    method: M,
    request?: MessageInitShape<M['input']>,
    headers?: Headers,
  ): ReceivedStream<MessageShape<M['output']>>
  /** Rejects with grpc-js's error. */
  call<M extends DescMethodUnary>(
    method: M,
    request: MessageInitShape<M['input']>,
    headers?: Headers,
  ): Promise<MessageShape<M['output']>>
  /** One question on a stream of questions, and its answer. */
  ask<M extends DescMethodBiDiStreaming>(
    method: M,
    question: MessageInitShape<M['input']>,
  ): Promise<MessageShape<M['output']>>
  /** Cancels what is open. */
  close(): void
}

type Headers = readonly (readonly [name: string, value: string])[]

const DEADLINE_MS = 20_000
const SECURITY_HEADER: Headers = [['workload.spiffe.io', 'true']]

export function createWorkloadTestClient(socket: string): WorkloadTestClient {
  const { client, opened, close } = openConnection(socket)
  const definitionOf = (method: DescMethod) => {
    const definition = serviceDefinition(method.parent)[method.name]
    if (definition === undefined) throw new TypeError(`no method ${method.name}`)
    return definition
  }
  const metadataOf = (headers: Headers): grpc.Metadata => {
    const metadata = new grpc.Metadata({ waitForReady: true })
    for (const [name, value] of headers) metadata.add(name, value)
    return metadata
  }
  return {
    stream(method, request, headers = SECURITY_HEADER) {
      const { path, requestSerialize, responseDeserialize } = definitionOf(method)
      const call = client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        create(method.input, request),
        metadataOf(headers),
      )
      return following(opened(call))
    },
    call(method, request, headers = SECURITY_HEADER) {
      const { path, requestSerialize, responseDeserialize } = definitionOf(method)
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          create(method.input, request),
          metadataOf(headers),
          { deadline: Date.now() + DEADLINE_MS },
          (failure, answer) => {
            if (failure !== null) reject(failure)
            else resolve(answer as never)
          },
        )
      })
    },
    ask(method, question) {
      const { path, requestSerialize, responseDeserialize } = definitionOf(method)
      const deadline = Date.now() + DEADLINE_MS
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, {
        deadline,
      })
      return new Promise((resolve, reject) => {
        call.on('data', (answer) => {
          resolve(answer as never)
          call.end()
        })
        call.on('error', reject)
        call.write(create(method.input, question))
      })
    },
    close,
  }
}

function following<T>(call: grpc.ClientReadableStream<unknown>): ReceivedStream<T> {
  const received: T[] = []
  let ended: grpc.StatusObject | undefined
  call.on('data', (message: T) => received.push(message))
  call.on('status', (status: grpc.StatusObject) => (ended = status))
  // The status says it.
  call.on('error', () => undefined)
  return {
    received,
    get ended() {
      return ended
    },
    async next(wanted = () => true, from = 0) {
      const find = (): T | undefined => received.slice(from).find(wanted)
      await eventually('the message comes', () => find() !== undefined || ended !== undefined)
      const found = find()
      if (found === undefined) throw new Error(`the stream ended: ${JSON.stringify(ended)}`)
      return found
    },
    async status() {
      await eventually('the stream ends', () => ended !== undefined)
      return ended!
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    close: () => call.cancel(),
  }
}
