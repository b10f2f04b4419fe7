/** Bytes built by hand against what the generated code reads and writes. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import type { DescFile, DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { serviceDefinition } from '../../../src/wire/service.ts'
import { UNKNOWN, encode, fieldSample, fullSample, generated } from './bytes.ts'
import type { Sample } from './bytes.ts'
import { schemasOf } from './compare.ts'
import type { Facts } from './facts.ts'

const hex = (bytes: Iterable<number>): string => Buffer.from([...bytes]).toString('hex')

interface Golden {
  readonly schema: DescMessage
  readonly sample: Sample
  readonly facts: Facts
}

function bothWays({ schema, sample, facts }: Golden): void {
  const name = `${schema.typeName} ${Object.keys(sample).join()}`
  const bytes = encode(schema.typeName, sample, { facts })
  const init = generated(schema.typeName, sample, facts) as MessageInitShape<DescMessage>
  const written = toBinary(schema, create(schema, init))
  assert.equal(hex(written), hex(bytes), `written: ${name}`)
  const read = fromBinary(schema, Uint8Array.from(bytes))
  assert.deepEqual(read.$unknown, undefined, `unknown in ${name}`)
  assert.deepEqual(read, create(schema, init), `read: ${name}`)
}

/** Each message with each field alone, with all, and with each choice of a oneof. Returns how many were compared. */
export function compareBytes(files: readonly DescFile[], facts: Facts): number {
  let compared = 0
  for (const [name, schema] of schemasOf(files)) {
    const fields = facts.messages.get(name) ?? []
    const samples = [
      {},
      fullSample(name, facts),
      ...fields.map((field) => fieldSample(field, facts)),
      ...fields.filter(({ oneof }) => oneof !== '').map((f) => fullSample(name, facts, f.number)),
    ]
    for (const sample of samples) bothWays({ schema, sample, facts })
    compared += samples.length
  }
  return compared
}

/** Each request whose every message says more than is known reads as it does without. Returns how many were compared. */
export function ignoresUnknown(files: readonly DescFile[], facts: Facts): number {
  let compared = 0
  for (const service of files.flatMap((file) => file.services)) {
    const definition = serviceDefinition(service)
    for (const { name, input } of service.methods) {
      const sample = fullSample(input.typeName, facts)
      const deserialize = definition[name]?.requestDeserialize ?? assert.fail(name)
      const known = encode(input.typeName, sample, { facts })
      const more = encode(input.typeName, sample, { facts, more: UNKNOWN })
      assert.ok(more.length >= known.length + UNKNOWN.length)
      const read = deserialize(Buffer.from(more)) as MessageShape<DescMessage>
      assert.deepEqual(read, deserialize(Buffer.from(known)), input.typeName)
      assert.equal(hex(toBinary(input, read)), hex(known), input.typeName)
      compared += 1
    }
  }
  return compared
}
