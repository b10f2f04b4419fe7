/**
 * Discovery responses as bytes. What a secret contributes is encoded once and shared by every stream; only the head and
 * the nonce are made for each. Concatenated protobuf fields of one message are that message (proto3 encoding rules).
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { Resource } from '../../xds/resource.ts'
import { SECRET_TYPE_URL } from '../../xds/resource.ts'

/** Field numbers of envoy.service.discovery.v3. */
const ANY = { typeUrl: 1, value: 2 }
const RESPONSE = { version: 1, resources: 2, typeUrl: 4, nonce: 5, controlPlane: 6 }
const DELTA = { version: 1, resources: 2, typeUrl: 4, nonce: 5, removed: 6, controlPlane: 7 }
const DELTA_RESOURCE = { version: 1, resource: 2, name: 3 }
const CONTROL_PLANE_IDENTIFIER = 1

function bytesField(writer: BinaryWriter, field: number, value: Uint8Array): BinaryWriter {
  return writer.tag(field, WireType.LengthDelimited).bytes(value)
}

function stringField(writer: BinaryWriter, field: number, value: string): BinaryWriter {
  return writer.tag(field, WireType.LengthDelimited).string(value)
}

function any(bytes: Uint8Array): Uint8Array {
  const writer = new BinaryWriter()
  stringField(writer, ANY.typeUrl, SECRET_TYPE_URL)
  return bytesField(writer, ANY.value, bytes).finish()
}

interface Head {
  readonly fields: { readonly version: number; readonly nonce: number }
  /** ASCII, and at most 127 characters: the length of each is one byte. */
  readonly version: string
  readonly nonce: string
}

/** The head is all that is made for one stream, so it is written straight to where it is sent from. */
function joined(head: Head, chunks: readonly Uint8Array[]): Buffer {
  const { fields, version, nonce } = head
  const length = chunks.reduce(
    (sum, chunk) => sum + chunk.length,
    4 + version.length + nonce.length,
  )
  const bytes = Buffer.allocUnsafe(length)
  let at = asciiField(bytes, 0, { field: fields.version, text: version })
  at = asciiField(bytes, at, { field: fields.nonce, text: nonce })
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

function asciiField(
  bytes: Buffer,
  at: number,
  { field, text }: { readonly field: number; readonly text: string },
): number {
  if (text.length > 127)
    throw new RangeError(`${text.length} characters do not fit in a short field`)
  bytes[at] = (field << 3) | WireType.LengthDelimited
  bytes[at + 1] = text.length
  bytes.write(text, at + 2, 'latin1')
  return at + 2 + text.length
}

export interface ResponseEncoder {
  sotw(response: { nonce: string; version: string; resources: readonly Resource[] }): Buffer
  delta(response: {
    nonce: string
    systemVersion: string
    resources: readonly Resource[]
    removed: readonly string[]
  }): Buffer
}

/** `identifier` names this agent in Envoy's `control_plane.identifier` statistic. */
export function createResponseEncoder(identifier: string): ResponseEncoder {
  const sotwChunks = new WeakMap<Resource, Uint8Array>()
  const deltaChunks = new WeakMap<Resource, Uint8Array>()
  const controlPlane = stringField(
    new BinaryWriter(),
    CONTROL_PLANE_IDENTIFIER,
    identifier,
  ).finish()
  const tail = (fields: { typeUrl: number; controlPlane: number }): Uint8Array => {
    const writer = stringField(new BinaryWriter(), fields.typeUrl, SECRET_TYPE_URL)
    return bytesField(writer, fields.controlPlane, controlPlane).finish()
  }
  const sotwTail = tail(RESPONSE)
  const deltaTail = tail(DELTA)

  const once = (
    chunks: WeakMap<Resource, Uint8Array>,
    resource: Resource,
    encode: (resource: Resource) => Uint8Array,
  ): Uint8Array => {
    let chunk = chunks.get(resource)
    if (chunk === undefined) {
      chunk = encode(resource)
      chunks.set(resource, chunk)
    }
    return chunk
  }
  const encodeSotw = (resource: Resource): Uint8Array =>
    bytesField(new BinaryWriter(), RESPONSE.resources, any(resource.bytes)).finish()
  const encodeDelta = (resource: Resource): Uint8Array => {
    const inner = stringField(new BinaryWriter(), DELTA_RESOURCE.version, resource.version)
    bytesField(inner, DELTA_RESOURCE.resource, any(resource.bytes))
    stringField(inner, DELTA_RESOURCE.name, resource.name)
    return bytesField(new BinaryWriter(), DELTA.resources, inner.finish()).finish()
  }

  return {
    sotw({ nonce, version, resources }) {
      const chunks = resources.map((resource) => once(sotwChunks, resource, encodeSotw))
      return joined({ fields: RESPONSE, version, nonce }, [...chunks, sotwTail])
    },
    delta({ nonce, systemVersion, resources, removed }) {
      const chunks = resources.map((resource) => once(deltaChunks, resource, encodeDelta))
      if (removed.length > 0) {
        const names = new BinaryWriter()
        for (const name of removed) stringField(names, DELTA.removed, name)
        chunks.push(names.finish())
      }
      return joined({ fields: DELTA, version: systemVersion, nonce }, [...chunks, deltaTail])
    },
  }
}
