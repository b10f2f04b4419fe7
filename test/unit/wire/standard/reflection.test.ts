import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import type { FileDescriptorProto } from '@bufbuild/protobuf/wkt'
import { SecretDiscoveryService } from '../../../../src/gen/envoy/service/secret/v3/sds_pb.js'
import type { ServerReflectionResponse } from '../../../../src/gen/grpc/reflection/v1/reflection_pb.js'
import { ServerReflectionRequestSchema } from '../../../../src/gen/grpc/reflection/v1/reflection_pb.js'
import { SpiffeWorkloadAPI } from '../../../../src/gen/spiffe/workload/workload_pb.js'
import { createReflectionService } from '../../../../src/wire/standard/reflection.ts'
import { status } from '../../../../src/runtime/grpc-status.ts'
import { Unreadable } from '../../../../src/wire/service.ts'
import { HandCall, methodsOf } from '../../agent/serve/hand-call.ts'

type Question = NonNullable<
  MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']
>

function setUp() {
  const service = createReflectionService([SecretDiscoveryService, SpiffeWorkloadAPI])
  const methods = methodsOf(service)
  const open = (version = 'v1') => {
    const call = new HandCall<undefined, ServerReflectionResponse>(undefined)
    methods.get(`/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`)?.(call)
    return call
  }
  const say = (
    call: ReturnType<typeof open>,
    messageRequest: Question,
  ): ServerReflectionResponse => {
    call.emit('data', create(ServerReflectionRequestSchema, { host: 'h', messageRequest }))
    return call.written.at(-1)!
  }
  const ask = (messageRequest: Question) => say(open(), messageRequest).messageResponse
  const file = (question: Question): FileDescriptorProto => {
    const answer = ask(question)
    assert.equal(answer.case, 'fileDescriptorResponse')
    const [bytes = Buffer.of(), ...more] = answer.value.fileDescriptorProto
    assert.deepEqual(more, [])
    return fromBinary(FileDescriptorProtoSchema, bytes)
  }
  return { service, open, say, ask, file }
}

test('reflection describes what it lists: from the name of a service to every type it stands on', () => {
  const { ask, file } = setUp()
  const listed = ask({ case: 'listServices', value: '' })
  assert.equal(listed.case, 'listServicesResponse')
  const names = listed.value.service.map(({ name }) => name)
  assert(names.includes('SpiffeWorkloadAPI') && names.includes(SecretDiscoveryService.typeName))
  const files = new Map<string, FileDescriptorProto>()
  const take = (found: FileDescriptorProto): void => {
    if (files.has(found.name)) return
    files.set(found.name, found)
    for (const value of found.dependency) take(file({ case: 'fileByFilename', value }))
  }
  for (const value of names) take(file({ case: 'fileContainingSymbol', value }))
  // As a client does it: the descriptors alone make types again.
  const set = create(FileDescriptorSetSchema, { file: inOrder(files) })
  const registry = createFileRegistry(set)
  for (const name of names) assert(registry.getService(name) !== undefined, name)
  const { methods } = registry.getService('grpc.reflection.v1alpha.ServerReflection')!
  assert.equal(methods[0]?.input.typeName, 'grpc.reflection.v1alpha.ServerReflectionRequest')
})

/** Each after those it depends on. */
function inOrder(files: ReadonlyMap<string, FileDescriptorProto>): FileDescriptorProto[] {
  const ordered = new Set<FileDescriptorProto>()
  const place = (file: FileDescriptorProto): void => {
    for (const name of file.dependency) place(files.get(name)!)
    ordered.add(file)
  }
  for (const file of files.values()) place(file)
  return [...ordered]
}

test('reflection finds the file of methods, fields and extensions, and says of what is not there that it is not', () => {
  const { ask, file } = setUp()
  for (const value of ['SpiffeWorkloadAPI.FetchX509SVID', 'X509SVID', 'X509SVID.hint'])
    assert.equal(
      file({ case: 'fileContainingSymbol', value }).name,
      'spiffe/workload/workload.proto',
      value,
    )
  const numbers = ask({ case: 'allExtensionNumbersOfType', value: 'google.protobuf.FieldOptions' })
  assert.equal(numbers.case, 'allExtensionNumbersResponse')
  const [extensionNumber = 0] = numbers.value.extensionNumber
  const containingType = 'google.protobuf.FieldOptions'
  const question = { case: 'fileContainingExtension', value: { containingType, extensionNumber } }
  assert(file(question as Question).extension.some(({ number }) => number === extensionNumber))
  for (const missing of [
    { case: 'fileByFilename', value: '/etc/passwd' },
    { case: 'fileContainingSymbol', value: 'X509SVID.none' },
    { case: 'fileContainingSymbol', value: '' },
    { case: 'fileContainingExtension', value: { containingType, extensionNumber: -1 } },
    { case: 'allExtensionNumbersOfType', value: 'None' },
  ] as const) {
    const answer = ask(missing)
    assert.equal(answer.case, 'errorResponse')
    assert.equal(answer.value.errorCode, status.NOT_FOUND)
  }
})

test('reflection listens to a client again once its answer has left, and ends with it or with the agent', () => {
  const { service, open, say } = setUp()
  const call = open('v1alpha')
  call.blocked = true
  const answer = say(call, { case: 'listServices', value: '' })
  assert.deepEqual([answer.validHost, answer.originalRequest?.host], ['h', 'h'])
  assert.equal(call.paused, true)
  call.flush()
  assert.equal(call.paused, false)
  call.emit('end')
  assert.equal(call.ended, true)
  const [odd, stays] = [open(), open()]
  odd.emit('data', new Unreadable())
  assert.equal(odd.status?.code, status.INVALID_ARGUMENT)
  service.endStreams('the agent is shutting down')
  assert.equal(odd.status?.code, status.INVALID_ARGUMENT)
  assert.equal(stays.status?.code, status.UNAVAILABLE)
})
