/** Protobuf's encoding in its few lines, driven by facts alone, and samples to encode. */
import assert from 'node:assert/strict'
import type { Facts, Field } from './facts.ts'

/** A message as `.proto` names it: field name → value; a message within is one of these again. */
export type Sample = { readonly [name: string]: SampleValue | readonly SampleValue[] }
type SampleValue = string | number | bigint | boolean | Uint8Array | Sample

const varint = (value: bigint): readonly number[] => {
  const bits = BigInt.asUintN(64, value)
  return bits < 128n ? [Number(bits)] : [Number(bits & 127n) | 128, ...varint(bits >> 7n)]
}

const VARINT = 0
const LENGTH = 2
const tag = (number: number, wireType: number): readonly number[] =>
  varint(BigInt(number * 8 + wireType))

const lengthField = (number: number, bytes: Iterable<number>): readonly number[] => {
  const content = [...bytes]
  return [...tag(number, LENGTH), ...varint(BigInt(content.length)), ...content]
}

const varintField = (number: number, value: bigint): readonly number[] => [
  ...tag(number, VARINT),
  ...varint(value),
]

const fixedField = (number: number, wireType: 1 | 5): readonly number[] => [
  ...tag(number, wireType),
  ...Array.from({ length: wireType === 1 ? 8 : 4 }, (_, nth) => nth),
]

/** A field of each of the four wire types in use, under a number no message has. */
export const UNKNOWN: readonly number[] = [
  ...varintField(1999, 300n),
  ...fixedField(1999, 1),
  ...lengthField(1999, [8, 1]),
  ...fixedField(1999, 5),
]

export interface Encode {
  readonly facts: Facts
  /** Appended to each message, and to each within. */
  readonly more?: readonly number[]
}

/** The bytes of a message: fields that the sample has, in the order of their numbers, whatever their value. */
export function encode(type: string, sample: Sample, how: Encode): readonly number[] {
  const fields = how.facts.messages.get(type) ?? assert.fail(type)
  const known = new Set(fields.map(({ name }) => name))
  for (const name of Object.keys(sample)) assert.ok(known.has(name), `${type} has no ${name}`)
  const bytes = fields.flatMap((field) => {
    const value = sample[field.name]
    if (value === undefined) return []
    const values: readonly SampleValue[] = Array.isArray(value) ? value : [value]
    return values.flatMap((one) => encodeField(field, one, how))
  })
  return [...bytes, ...(how.more ?? [])]
}

function encodeField(field: Field, value: SampleValue, how: Encode): readonly number[] {
  const { number, type } = field
  if (typeof value === 'string') return lengthField(number, new TextEncoder().encode(value))
  if (value instanceof Uint8Array) return lengthField(number, value)
  if (typeof value === 'object') return lengthField(number, encode(type, value, how))
  return varintField(number, BigInt(value))
}

/** A value for a field that is not its default; `nth` tells apart the items of a repeated one. */
function valueOf(field: Field, nth: number, facts: Facts): SampleValue {
  const { number, type } = field
  switch (type) {
    case 'string':
      return `${field.name}-${number}-${nth}-ü`
    case 'bytes':
      return Uint8Array.from([0, number, nth, 255])
    case 'bool':
      return true
    case 'int32':
      // Ten bytes, as each negative number.
      return -number
    case 'uint32':
      return 2 ** 32 - number
    case 'int64':
      // Beyond what a double can hold.
      return 2n ** 62n + BigInt(number)
    case 'uint64':
      return 2n ** 64n - BigInt(number)
    default: {
      const values = facts.enums.get(type)
      return values === undefined ? fullSample(type, facts) : values.at(-1)![0]
    }
  }
}

export function fieldSample(field: Field, facts: Facts): Sample {
  const one = valueOf(field, 0, facts)
  return { [field.name]: field.label === 'repeated' ? [one, valueOf(field, 1, facts)] : one }
}

/** Every field set, down to the last; of a oneof the field numbered `choice`, else its first. */
export function fullSample(type: string, facts: Facts, choice?: number): Sample {
  const fields = facts.messages.get(type) ?? assert.fail(type)
  const taken = new Set<string>()
  const samples = fields.flatMap((field) => {
    const rival = fields.find(
      ({ oneof, number }) => oneof === field.oneof && oneof !== '' && number === choice,
    )
    if (rival !== undefined && rival !== field) return []
    if (field.oneof !== '' && taken.has(field.oneof)) return []
    taken.add(field.oneof)
    return [fieldSample(field, facts)]
  })
  return Object.assign({}, ...samples) as Sample
}

const camel = (name: string): string =>
  name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

/** What the generated code makes of a message, if it has exactly the fields of the sample. */
export function generated(type: string, sample: Sample, facts: Facts): object {
  const fields = facts.messages.get(type) ?? assert.fail(type)
  const entries = fields.flatMap((field) => {
    const value = sample[field.name]
    if (value === undefined) return []
    const made = Array.isArray(value)
      ? (value as readonly SampleValue[]).map((one) => generatedValue(field.type, one, facts))
      : generatedValue(field.type, value as SampleValue, facts)
    const name = camel(field.name)
    return [field.oneof === '' ? [name, made] : [camel(field.oneof), { case: name, value: made }]]
  })
  return Object.fromEntries(entries) as object
}

function generatedValue(type: string, value: SampleValue, facts: Facts): unknown {
  if (typeof value !== 'object' || value instanceof Uint8Array) return value
  // A wrapper is its value.
  if (type.startsWith('google.')) return value['value']
  return generated(type, value, facts)
}
