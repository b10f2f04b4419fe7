/** A caller of the agent's socket that says exactly what a test wants said: this process, over grpc-js. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { fromBinary } from '@bufbuild/protobuf'
import type * as grpc from '@grpc/grpc-js'
import type { DataSource } from '../../../src/gen/envoy/config/core/v3/base_pb.js'
import { SecretSchema } from '../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import type {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from '../../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
} from '../../../src/gen/envoy/service/discovery/v3/discovery_pb.js'
import { SecretDiscoveryService } from '../../../src/gen/envoy/service/secret/v3/sds_pb.js'
import { create } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { SECRET_TYPE_URL } from '../../../src/xds/resource.ts'
import { openConnection } from './connection.ts'

export type DeltaAsk = MessageInitShape<typeof DeltaDiscoveryRequestSchema>
export type SotwAsk = MessageInitShape<typeof DiscoveryRequestSchema>

export interface ReceivedSecret {
  readonly name: string
  /** PEM; '' for a bundle. */
  readonly chain: string
  readonly key: string
  /** PEM of a bundle in the form of one list; '' for any other secret. */
  readonly trustedCa: string
}

export interface Received {
  readonly nonce: string
  readonly secrets: readonly ReceivedSecret[]
  readonly removed: readonly string[]
}

/** One open stream. Answers wait until they are asked for. */
export interface CallerStream<Ask> {
  say(ask: Ask): void
  /** The next response; rejects when the stream ends before, or after `withinMs`. */
  next(withinMs?: number): Promise<Received>
  /** Acknowledges everything from now on; `next` gives it all the same. */
  acknowledge(): void
  /** The status the server ends it with. */
  end(withinMs?: number): Promise<grpc.StatusObject>
  /** No more is read from the wire until `resume`. */
  pause(): void
  resume(): void
  cancel(): void
}

export interface SdsCaller {
  delta(): CallerStream<DeltaAsk>
  sotw(): CallerStream<SotwAsk>
  fetch(names: readonly string[]): Promise<Received>
  /** Cancels what is open. */
  close(): void
}

/** A connection of its own, made with the first call. */
export function createSdsCaller(socket: string): SdsCaller {
  const { client, opened, close } = openConnection(socket)
  const definition = serviceDefinition(SecretDiscoveryService)
  const open = <Ask, Response>(
    name: 'DeltaSecrets' | 'StreamSecrets',
    encode: (ask: Ask) => unknown,
    read: (response: Response) => Received,
    answer: (received: Received) => Ask,
  ): CallerStream<Ask> => {
    const method = definition[name]
    assert(method !== undefined)
    const call = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    )
    return new Stream<Ask, Response>(opened(call), encode, read, answer)
  }
  return {
    delta: () =>
      open<DeltaAsk, DeltaDiscoveryResponse>(
        'DeltaSecrets',
        (ask) => create(DeltaDiscoveryRequestSchema, { typeUrl: SECRET_TYPE_URL, ...ask }),
        (response) => ({
          nonce: response.nonce,
          secrets: response.resources.map(({ resource }) => readSecret(resource?.value)),
          removed: response.removedResources,
        }),
        ({ nonce }) => ({ responseNonce: nonce }),
      ),
    sotw() {
      let names: readonly string[] = []
      return open<SotwAsk, DiscoveryResponse>(
        'StreamSecrets',
        (ask) => {
          names = ask.resourceNames ?? []
          return create(DiscoveryRequestSchema, { typeUrl: SECRET_TYPE_URL, ...ask })
        },
        readResponse,
        ({ nonce }) => ({ responseNonce: nonce, resourceNames: [...names] }),
      )
    },
    fetch(names) {
      const method = definition['FetchSecrets']
      assert(method !== undefined)
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          create(DiscoveryRequestSchema, { typeUrl: SECRET_TYPE_URL, resourceNames: [...names] }),
          { deadline: Date.now() + 20_000 },
          (failure, response) => {
            if (failure !== null) reject(failure)
            else resolve(readResponse(response as DiscoveryResponse))
          },
        )
      })
    },
    close,
  }
}

class Stream<Ask, Response> implements CallerStream<Ask> {
  readonly #call: grpc.ClientDuplexStream<unknown, unknown>
  readonly #encode: (ask: Ask) => unknown
  readonly #received: Received[] = []
  #waiting: (() => void)[] = []
  #status: grpc.StatusObject | undefined
  #acknowledges = false

  constructor(
    call: grpc.ClientDuplexStream<unknown, unknown>,
    encode: (ask: Ask) => unknown,
    read: (response: Response) => Received,
    answer: (received: Received) => Ask,
  ) {
    this.#call = call
    this.#encode = encode
    call.on('data', (response: Response) => {
      const received = read(response)
      this.#received.push(received)
      if (this.#acknowledges) this.say(answer(received))
      this.#wake()
    })
    // The status says the same.
    call.on('error', () => undefined)
    call.on('status', (status: grpc.StatusObject) => {
      this.#status = status
      this.#wake()
    })
  }

  say(ask: Ask): void {
    this.#call.write(this.#encode(ask))
  }

  acknowledge(): void {
    this.#acknowledges = true
  }

  pause(): void {
    this.#call.pause()
  }

  resume(): void {
    this.#call.resume()
  }

  cancel(): void {
    this.#call.cancel()
  }

  async next(withinMs = 20_000): Promise<Received> {
    return this.#wait('response', withinMs, () => {
      const first = this.#received.shift()
      if (first === undefined && this.#status !== undefined)
        assert.fail(`the stream ended: ${this.#status.code} ${this.#status.details}`)
      return first
    })
  }

  end(withinMs = 20_000): Promise<grpc.StatusObject> {
    return this.#wait('end of the stream', withinMs, () => this.#status)
  }

  async #wait<T>(what: string, withinMs: number, look: () => T | undefined): Promise<T> {
    const until = performance.now() + withinMs
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      const left = until - performance.now()
      if (left <= 0) assert.fail(`no ${what} within ${withinMs} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }
}

function readResponse(response: DiscoveryResponse): Received {
  const { nonce, resources } = response
  return { nonce, secrets: resources.map(({ value }) => readSecret(value)), removed: [] }
}

function readSecret(bytes: Uint8Array | undefined): ReceivedSecret {
  assert(bytes !== undefined, 'a resource without content')
  const { name, type } = fromBinary(SecretSchema, bytes)
  if (type.case === 'validationContext')
    return { name, chain: '', key: '', trustedCa: text(type.value.trustedCa) }
  assert(type.case === 'tlsCertificate')
  const { certificateChain, privateKey } = type.value
  return { name, chain: text(certificateChain), key: text(privateKey), trustedCa: '' }
}

function text(source: DataSource | undefined): string {
  const specifier = source?.specifier
  return specifier?.case === 'inlineBytes' ? Buffer.from(specifier.value).toString('utf8') : ''
}

/** The serial number of the first certificate of a received chain. */
export function serialOf(received: Received): string {
  const chain = received.secrets[0]?.chain
  assert(chain !== undefined && chain !== '', 'no certificate was received')
  return new X509Certificate(chain).serialNumber
}

/** The URI SAN of the first certificate of a received chain. */
export function spiffeIdOf(secret: ReceivedSecret | undefined): string {
  assert(secret !== undefined && secret.chain !== '', 'no certificate was received')
  return (new X509Certificate(secret.chain).subjectAltName ?? '').replace(/^URI:/, '')
}
