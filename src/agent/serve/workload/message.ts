/** Messages of the Workload API: each made once of what it says, and its bytes shared by every stream that is told the same. */
import { hash } from 'node:crypto'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import { create, toBinary } from '@bufbuild/protobuf'
import { Encoded } from '../../../wire/service.ts'

export interface Message {
  readonly encoded: Encoded
  /** Digest of the bytes: messages that say the same have the same. */
  readonly version: string
  /** The SPIFFE IDs it gives X.509-SVIDs of, and when the first of them ends (ms since the epoch). */
  readonly spiffeIds: readonly string[]
  readonly notAfter?: number
}

export function encode<D extends DescMessage>(schema: D, content: MessageInitShape<D>): Encoded {
  const bytes = toBinary(schema, create(schema, content))
  return new Encoded(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

/** Maps in `content` are written in the order of their keys' insertion: sort them, or what says the same differs. */
export function makeMessage<D extends DescMessage>(
  schema: D,
  content: MessageInitShape<D>,
  about: Omit<Message, 'encoded' | 'version'>,
): Message {
  const encoded = encode(schema, content)
  return { encoded, version: hash('sha256', encoded.bytes), ...about }
}

/** What was made of a list of things, for as long as all of them are in use: nothing here keeps a replaced key in memory. */
export class MadeOf<T extends object> {
  readonly #root: Made<T> = { next: new WeakMap(), value: undefined }

  of(parts: readonly object[], make: () => T): T {
    let made = this.#root
    for (const part of parts) {
      let next = made.next.get(part)
      if (next === undefined) {
        next = { next: new WeakMap(), value: undefined }
        made.next.set(part, next)
      }
      made = next
    }
    return (made.value ??= make())
  }
}

interface Made<T> {
  readonly next: WeakMap<object, Made<T>>
  value: T | undefined
}
