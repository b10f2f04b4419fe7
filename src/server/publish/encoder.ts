/** Rounds as messages of `spindle.sync.v1`: what is told to many agents is serialised once. */
import { createHash } from 'node:crypto'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create, toBinary } from '@bufbuild/protobuf'
import { SyncResponseSchema } from '../../gen/spindle/sync/v1/sync_pb.js'
import type { ServerEntry } from '../../registration/server-entry.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { StoredBundle } from '../../store/model.ts'
import { Encoded } from '../../wire/service.ts'
import { entryMessage } from '../../wire/spire/entry.ts'
import { bundleMessage } from './bundle-message.ts'
import type { Round } from './round.ts'

/** What the last part of a round says of the state it leads to. */
export interface RoundEnd {
  readonly token: Uint8Array
  readonly entryCount: number
  readonly bundleCount: number
}

export interface RoundEncoder {
  /** One message at least, each made when it is asked for. */
  partsOf(round: Round, end: RoundEnd): Iterator<Encoded>
  /** Of the content of a bundle. */
  digestOf(bundle: StoredBundle): string
  close(): void
}

/** 1 MiB, less what the last part says beside. */
const MOST_PART_BYTES = 2 ** 20 - 1024
/** A change is told to all in far less; what is told later is serialised once more. */
const KEPT_MS = 10_000
const MOST_KEPT_BYTES = 16 * 2 ** 20

export function createRoundEncoder(clock: Clock): RoundEncoder {
  // The fields of a message may be put together from those of several (protobuf: encoding, last one wins).
  const kept = new Map<object, Buffer>()
  let keptBytes = 0
  let timer: Timer | undefined
  const digests = new WeakMap<StoredBundle, string>()

  const forget = (): void => {
    timer?.cancel()
    timer = undefined
    kept.clear()
    keptBytes = 0
  }
  const fieldOf = <T extends object>(value: T, write: (value: T) => Buffer): Buffer => {
    const known = kept.get(value)
    if (known !== undefined) return known
    const field = write(value)
    if (keptBytes + field.length > MOST_KEPT_BYTES) forget()
    kept.set(value, field)
    keptBytes += field.length
    timer ??= clock.after(KEPT_MS, forget)
    return field
  }

  function* fieldsOf(round: Round): Iterable<Buffer> {
    for (const bundle of round.bundles) yield fieldOf(bundle, bundleField)
    for (const name of round.removedBundles) yield bytesOf({ removedBundles: [name] })
    for (const id of round.removedEntries) yield bytesOf({ removedEntries: [id] })
    for (const entry of round.entries) yield fieldOf(entry, entryField)
  }

  return {
    *partsOf(round, { token, entryCount, bundleCount }) {
      const { full } = round
      const head = bytesOf({ full })
      let part = [head]
      let length = head.length
      for (const field of fieldsOf(round)) {
        if (length + field.length > MOST_PART_BYTES && part.length > 1) {
          yield new Encoded(Buffer.concat(part))
          part = [head]
          length = head.length
        }
        part.push(field)
        length += field.length
      }
      part.push(bytesOf({ complete: true, resumeToken: token, entryCount, bundleCount }))
      yield new Encoded(Buffer.concat(part))
    },
    digestOf(bundle) {
      const known = digests.get(bundle)
      if (known !== undefined) return known
      const digest = createHash('sha256').update(bundleField(bundle)).digest('base64')
      digests.set(bundle, digest)
      return digest
    },
    close: forget,
  }
}

const entryField = (entry: ServerEntry): Buffer => bytesOf({ entries: [entryMessage(entry)] })
const bundleField = (bundle: StoredBundle): Buffer => bytesOf({ bundles: [bundleMessage(bundle)] })

function bytesOf(fields: MessageInitShape<typeof SyncResponseSchema>): Buffer {
  const bytes = toBinary(SyncResponseSchema, create(SyncResponseSchema, fields))
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
