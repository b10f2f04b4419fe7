/**
 * gRPC server reflection (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md), v1 and the v1alpha that older
 * clients ask for: the same messages under another name. What is served here is no secret.
 */
import type { DescFile, DescService, MessageInitShape, Registry } from '@bufbuild/protobuf'
import {
  create,
  createFileRegistry,
  createRegistry,
  fromJson,
  toBinary,
  toJson,
} from '@bufbuild/protobuf'
import type { JsonValue } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import type { Server, ServerDuplexStream } from '@grpc/grpc-js'
import type {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from '#grpc/reflection/v1/reflection_pb.js'
import {
  ServerReflection,
  ServerReflectionResponseSchema,
} from '#grpc/reflection/v1/reflection_pb.js'
import { SpindleError } from '../../runtime/errors.ts'
import { status } from '../../runtime/grpc-status.ts'
import { serviceDefinition, Unreadable } from '../service.ts'
import { statusOf } from '../status.ts'

type Call = ServerDuplexStream<ServerReflectionRequest | Unreadable, ServerReflectionResponse>
type Answer = NonNullable<
  MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']
>

export interface ReflectionService {
  addTo(server: Pick<Server, 'addService'>): void
  /** Ends every stream with UNAVAILABLE. */
  endStreams(why: string): void
}

/** `services`: those served beside reflection itself. */
export function createReflectionService(services: readonly DescService[]): ReflectionService {
  const calls = new Set<Call>()
  const older = alpha()
  // Hundreds of files are read for it, and few ever ask.
  let answer: ReturnType<typeof answering> | undefined
  const reflect = (call: Call): void => {
    calls.add(call)
    const refuse = (): void => {
      const why = new SpindleError('request_invalid', 'not a message that can be decoded')
      call.emit('error', statusOf(why))
    }
    call.on('data', (request: ServerReflectionRequest | Unreadable) => {
      if (request instanceof Unreadable) return refuse()
      const { host: validHost } = request
      answer ??= answering([...services, ServerReflection, older])
      const messageResponse = answer(request.messageRequest)
      // Who asks and does not read is not listened to meanwhile.
      call.pause()
      call.write(
        create(ServerReflectionResponseSchema, {
          validHost,
          originalRequest: request,
          messageResponse,
        }),
        () => call.resume(),
      )
    })
    call.on('end', () => call.end())
    for (const end of ['cancelled', 'error', 'close'] as const)
      call.on(end, () => void calls.delete(call))
  }
  return {
    addTo(server) {
      const definition = serviceDefinition(ServerReflection)
      for (const { typeName } of [ServerReflection, older]) {
        const [[name, method] = []] = Object.entries(definition)
        const path = `/${typeName}/${name}`
        server.addService({ [name!]: { ...method!, path } }, { [name!]: reflect })
      }
    },
    endStreams(why) {
      for (const call of Array.from(calls))
        call.emit('error', statusOf(new SpindleError('not_ready', why)))
    },
  }
}

function answering(
  services: readonly DescService[],
): (question: ServerReflectionRequest['messageRequest']) => Answer {
  const files = new Map<string, DescFile>()
  for (const { file } of services) addWithDependencies(files, file)
  const registry = createRegistry(...files.values())
  const bytes = new Map<DescFile, Uint8Array>()
  const fileAnswer = (file: DescFile | undefined): Answer => {
    if (file === undefined) return notFound('no such file or name is served here')
    const known = bytes.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto)
    bytes.set(file, known)
    return { case: 'fileDescriptorResponse', value: { fileDescriptorProto: [known] } }
  }
  const extensionsOf = (typeName: string) =>
    [...registry]
      .filter((type) => type.kind === 'extension')
      .filter(({ extendee }) => extendee.typeName === typeName)
  return (question) => {
    switch (question.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: { service: services.map(({ typeName: name }) => ({ name })) },
        }
      case 'fileByFilename':
        return fileAnswer(files.get(question.value))
      case 'fileContainingSymbol':
        return fileAnswer(fileOf(registry, question.value))
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = question.value
        const found = extensionsOf(containingType)
        return fileAnswer(found.find((each) => each.number === extensionNumber)?.file)
      }
      case 'allExtensionNumbersOfType': {
        if (registry.getMessage(question.value) === undefined)
          return notFound('no such message is served here')
        const extensionNumber = extensionsOf(question.value).map((each) => each.number)
        const value = { baseTypeName: question.value, extensionNumber }
        return { case: 'allExtensionNumbersResponse', value }
      }
      case undefined:
        return refused('nothing is asked for')
    }
  }
}

/** By the name they are imported by. */
function addWithDependencies(files: Map<string, DescFile>, file: DescFile): void {
  const { name } = file.proto
  if (files.has(name)) return
  files.set(name, file)
  for (const dependency of file.dependencies) addWithDependencies(files, dependency)
}

/** Of a service, message, enum or extension, or of one of its methods, fields or values. */
function fileOf(registry: Registry, name: string): DescFile | undefined {
  const whole = registry.get(name)
  if (whole !== undefined) return whole.file
  const dot = name.lastIndexOf('.')
  const part = name.slice(dot + 1)
  const parent = dot === -1 ? undefined : registry.get(name.slice(0, dot))
  const members =
    parent?.kind === 'service'
      ? parent.methods
      : parent?.kind === 'message'
        ? [...parent.fields, ...parent.oneofs]
        : []
  return members.some((member) => member.name === part) ? parent?.file : undefined
}

const notFound = (errorMessage: string): Answer => ({
  case: 'errorResponse',
  value: { errorCode: status.NOT_FOUND, errorMessage },
})

const refused = (errorMessage: string): Answer => ({
  case: 'errorResponse',
  value: { errorCode: status.INVALID_ARGUMENT, errorMessage },
})

/** The service as its older package describes it. */
function alpha(): DescService {
  const text = JSON.stringify(toJson(FileDescriptorProtoSchema, ServerReflection.file.proto))
  const renamed = text
    .replaceAll('grpc.reflection.v1', 'grpc.reflection.v1alpha')
    .replaceAll('grpc/reflection/v1/', 'grpc/reflection/v1alpha/')
  const proto = fromJson(FileDescriptorProtoSchema, JSON.parse(renamed) as JsonValue)
  const found = createFileRegistry(proto, () => undefined).getService(
    'grpc.reflection.v1alpha.ServerReflection',
  )
  if (found === undefined) throw new TypeError('reflection describes itself')
  return found
}
