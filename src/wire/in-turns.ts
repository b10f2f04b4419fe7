/** Large messages without holding the event loop: decoded and encoded some of their parts at a time, to the same effect. */
import { create, fromBinary, mergeFromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { SpindleError } from '../runtime/errors.ts'
import { nextTurn } from '../runtime/slices.ts'
import { Encoded } from './service.ts'

/** Most are decoded in a millisecond then. */
const BYTES_A_TURN = 64 * 1024
const ITEMS_A_TURN = 250
/** Of one request: an empty item is two bytes, and a hundred in memory. */
const MOST_ITEMS = 100_000

/** A request whose decoding would hold the event loop. */
export class Undecoded {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** What a server is handed for the bytes of a request. @throws what protobuf throws for those that are no such message */
export function decodedIfSmall<D extends DescMessage>(
  schema: D,
  bytes: Uint8Array,
): MessageShape<D> | Undecoded {
  if (bytes.length > BYTES_A_TURN) return new Undecoded(bytes)
  return fromBinary(schema, bytes, { readUnknownFields: false })
}

/**
 * What stands twice in a message is merged, and lists are joined: so a message may be read in pieces that end between two fields.
 * @throws SpindleError `request_invalid`, `limit_reached`
 */
export async function decodeInTurns<D extends DescMessage>(
  schema: D,
  { bytes }: Undecoded,
): Promise<MessageShape<D>> {
  const message = create(schema)
  try {
    for (const piece of pieces(bytes)) {
      mergeFromBinary(schema, message, piece, { readUnknownFields: false })
      await nextTurn()
    }
    return message
  } catch (thrown) {
    if (thrown instanceof SpindleError) throw thrown
    throw new SpindleError('request_invalid', 'the request cannot be decoded')
  }
}

function* pieces(bytes: Uint8Array): Iterable<Uint8Array> {
  const reader = new BinaryReader(bytes)
  let from = 0
  let fields = 0
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    reader.skip(wireType, field)
    if (++fields > MOST_ITEMS)
      throw new SpindleError('limit_reached', `a request has ${MOST_ITEMS} items at most`)
    if (fields % ITEMS_A_TURN !== 0 && reader.pos - from < BYTES_A_TURN) continue
    yield bytes.subarray(from, reader.pos)
    from = reader.pos
  }
  yield bytes.subarray(from)
}

/** A message to be sent, bytes already where one of its lists is long. */
export async function encodedInTurns<D extends DescMessage>(
  schema: D,
  value: MessageInitShape<D>,
): Promise<MessageShape<D> | Encoded> {
  const fields = value as Readonly<Record<string, unknown>>
  const long = new Map<string, readonly unknown[]>()
  for (const { fieldKind, localName } of schema.fields) {
    const list = fields[localName]
    if (fieldKind === 'list' && Array.isArray(list) && list.length > ITEMS_A_TURN)
      long.set(localName, list)
  }
  if (long.size === 0) return create(schema, value)
  const encode = (some: Readonly<Record<string, unknown>>): Uint8Array =>
    toBinary(schema, create(schema, some as MessageInitShape<D>))
  const others = Object.entries(fields).filter(([name]) => !name.startsWith('$') && !long.has(name))
  const parts = [encode(Object.fromEntries(others))]
  for (const [name, list] of long) {
    for (let at = 0; at < list.length; at += ITEMS_A_TURN) {
      parts.push(encode({ [name]: list.slice(at, at + ITEMS_A_TURN) }))
      await nextTurn()
    }
  }
  return new Encoded(Buffer.concat(parts))
}
