/** Generated descriptors against facts: nothing missing, nothing more, nothing else. */
import assert from 'node:assert/strict'
import type { DescEnum, DescField, DescFile, DescMessage } from '@bufbuild/protobuf'
import { ScalarType } from '@bufbuild/protobuf'
import { serviceDefinition } from '../../../src/wire/service.ts'
import type { Facts, Field } from './facts.ts'

const below = (message: DescMessage): readonly DescMessage[] => [
  message,
  ...message.nestedMessages.flatMap(below),
]
const messagesOf = (files: readonly DescFile[]): readonly DescMessage[] =>
  files.flatMap((file) => file.messages.flatMap(below))
const enumsOf = (files: readonly DescFile[]): readonly DescEnum[] => [
  ...files.flatMap((file) => file.enums),
  ...messagesOf(files).flatMap((message) => message.nestedEnums),
]

/** Messages by full name. */
export function schemasOf(files: readonly DescFile[]): ReadonlyMap<string, DescMessage> {
  return new Map(messagesOf(files).map((message) => [message.typeName, message]))
}

const ours = (name: string): boolean => !name.startsWith('google')
const sorted = (names: Iterable<string>): readonly string[] => [...names].toSorted()

/** Files as gRPC's reflection names them, with what each of them imports. */
export function compareFiles(files: readonly DescFile[], facts: Facts): void {
  const found = files.map(({ proto }) => [
    proto.name,
    { package: proto.package, imports: sorted(proto.dependency), syntax: proto.syntax },
  ])
  const wanted = [...facts.files]
    .filter(([path]) => ours(path))
    .map(([path, file]) => [
      path,
      { package: file.package, imports: sorted(file.imports), syntax: 'proto3' },
    ])
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(wanted))
}

function typeOf(field: DescField): string {
  if (field.fieldKind === 'map') return 'map'
  const scalar = field.scalar === undefined ? undefined : ScalarType[field.scalar].toLowerCase()
  return field.message?.typeName ?? field.enum?.typeName ?? scalar ?? field.fieldKind
}

function factsOf(field: DescField): Field {
  const optional = field.proto.proto3Optional ? 'optional' : ''
  return {
    number: field.number,
    name: field.name,
    type: typeOf(field),
    label: field.fieldKind === 'list' ? 'repeated' : optional,
    oneof: field.oneof?.name ?? '',
  }
}

export function compareMessages(files: readonly DescFile[], facts: Facts): void {
  const schemas = schemasOf(files)
  assert.deepEqual(sorted(schemas.keys()), sorted(facts.messages.keys()).filter(ours))
  for (const [name, { fields }] of schemas)
    assert.deepEqual(fields.map(factsOf), facts.messages.get(name), name)
}

export function compareEnums(files: readonly DescFile[], facts: Facts): void {
  const found = enumsOf(files).map(({ typeName, values }) => [
    typeName,
    values.map(({ number, name }) => [number, name]),
  ])
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(facts.enums))
}

/** Services, methods in their order, types, kinds, and the paths that gRPC calls them by. */
export function compareRpcs(files: readonly DescFile[], facts: Facts): void {
  const services = files.flatMap((file) => file.services)
  const found = services.flatMap(({ typeName, methods }) =>
    methods.map(({ name, input, output, methodKind }) => ({
      service: typeName,
      name,
      input: input.typeName,
      output: output.typeName,
      kind: methodKind,
    })),
  )
  assert.deepEqual(found, facts.rpcs)
  const paths = services.flatMap((service) =>
    Object.values(serviceDefinition(service)).map(({ path, requestStream, responseStream }) => {
      const kind = { requestStream, responseStream }
      return { path, ...kind }
    }),
  )
  const wanted = facts.rpcs.map(({ service, name, kind }) => ({
    path: `/${service}/${name}`,
    requestStream: kind === 'client_streaming' || kind === 'bidi_streaming',
    responseStream: kind === 'server_streaming' || kind === 'bidi_streaming',
  }))
  assert.deepEqual(paths, wanted)
}
