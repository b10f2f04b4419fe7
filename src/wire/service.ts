/** A service descriptor of protobuf-es as a service definition of grpc-js. */
import type { DescMessage, DescMethod, DescService, MessageShape } from '@bufbuild/protobuf'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { MethodDefinition } from '@grpc/grpc-js'

type AnyMethod = MethodDefinition<unknown, unknown>

/** Bytes that are a serialised message already: sent as they are, so that one encoding serves every stream. */
export class Encoded {
  readonly bytes: Buffer
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
}

/**
 * A message of a client's stream that cannot be decoded. gRPC would answer it by itself, and whoever holds the stream would not
 * hear of it before the client is gone.
 */
export class Unreadable {}

function serializer(schema: DescMessage): (value: unknown) => Buffer {
  return (value) => {
    if (value instanceof Encoded) return value.bytes
    const bytes = toBinary(schema, value as MessageShape<DescMessage>)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

function deserializer(schema: DescMessage): (bytes: Buffer) => unknown {
  // Unknown fields of a request are of no use to a server that does not pass it on.
  return (bytes) => fromBinary(schema, bytes, { readUnknownFields: false })
}

function deserializerOfStream(schema: DescMessage): (bytes: Buffer) => unknown {
  const deserialize = deserializer(schema)
  return (bytes) => {
    try {
      return deserialize(bytes)
    } catch {
      return new Unreadable()
    }
  }
}

/** What a client calls `method` by. */
export function methodDefinition(method: DescMethod): AnyMethod {
  const definition = serviceDefinition(method.parent)[method.name]
  if (definition === undefined) throw new TypeError(`no method ${method.name}`)
  return definition
}

/** Method names are those of the .proto file (`StreamSecrets`). A message of a client's stream may be Unreadable. */
export function serviceDefinition(service: DescService): Record<string, AnyMethod> {
  const methods: Record<string, AnyMethod> = {}
  for (const method of service.methods) {
    const requestStream =
      method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming'
    methods[method.name] = {
      path: `/${service.typeName}/${method.name}`,
      requestStream,
      responseStream:
        method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      requestSerialize: serializer(method.input),
      requestDeserialize: requestStream
        ? deserializerOfStream(method.input)
        : deserializer(method.input),
      responseSerialize: serializer(method.output),
      responseDeserialize: deserializer(method.output),
    }
  }
  return methods
}
