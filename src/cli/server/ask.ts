/** Questions to a server, and their answers as SPIRE's commands print them. */
import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import { toJson } from '@bufbuild/protobuf'
import { createRpcClient } from '../../wire/client.ts'
import type { RpcClient } from '../../wire/client.ts'
import { errorOfServer } from '../../wire/server-words.ts'
import type { Format, Io } from '../io.ts'
import { renderPlain } from '../output.ts'
import type { ServerOptions } from './options.ts'

/** A batch may be a transaction of some hundred entries on a busy disk. */
const DEADLINE_MS = 30_000

export interface AskedServer {
  /** @throws SpindleError in the server's words */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>
  readonly stream: RpcClient['stream']
}

export async function withServer<T>(
  { serverSocket }: Pick<ServerOptions, 'serverSocket'>,
  use: (server: AskedServer) => Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const client = createRpcClient({ kind: 'unix', path: serverSocket }, { errorOf: errorOfServer })
  try {
    return await use({
      call: (method, request) => client.call(method, request, { deadlineMs }),
      stream: client.stream,
    })
  } finally {
    client.close()
  }
}

export async function askServer<I extends DescMessage, O extends DescMessage>(
  io: Io,
  options: ServerOptions,
  question: {
    readonly method: DescMethodUnary<I, O>
    readonly request: MessageInitShape<I>
    readonly text: (answer: MessageShape<O>) => string
  },
): Promise<void> {
  const { method, request, text } = question
  const answer = await withServer(options, (server) => server.call(method, request))
  io.out(rendered(options.output, { schema: method.output, value: answer }, () => text(answer)))
}

/** JSON is proto3's mapping of the API with the names of its fields as they are there, which is what SPIRE's commands print. */
export function rendered<M extends DescMessage>(
  format: Format,
  message: { readonly schema: M; readonly value: MessageShape<M> },
  text: () => string,
): string {
  if (format === 'table') return text()
  const options = { alwaysEmitImplicit: true, useProtoFieldName: true }
  return renderPlain(format, toJson(message.schema, message.value, options))
}

/** Every page of a list. */
export async function allPages<T>(
  ask: (pageToken: string) => Promise<{ readonly items: readonly T[]; readonly next: string }>,
): Promise<T[]> {
  const all: T[] = []
  let token = ''
  do {
    const { items, next } = await ask(token)
    all.push(...items)
    token = next
  } while (token !== '')
  return all
}
