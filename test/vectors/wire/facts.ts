/**
 * What a protocol has on the wire, as plain data that no generator has seen. A line is one of
 *
 *     rpc Service/Method(stream Request): stream Response
 *     message Name: 1 field type; 2 other repeated Name.Nested; 3 third optional Name; 4 fourth bytes of a_oneof
 *     enum Name: 0 FIRST; 1 SECOND
 *
 * Names are those of the file's own package, or begin with `types.` (spire.api.types) or `google.`.
 */
import assert from 'node:assert/strict'
import { posix } from 'node:path'

export interface Field {
  readonly number: number
  readonly name: string
  /** A scalar, or the full name of a message or enum. */
  readonly type: string
  readonly label: 'repeated' | 'optional' | ''
  readonly oneof: string
}

export interface Rpc {
  readonly service: string
  readonly name: string
  readonly input: string
  readonly output: string
  readonly kind: 'unary' | 'client_streaming' | 'server_streaming' | 'bidi_streaming'
}

export interface FileFacts {
  readonly package: string
  readonly imports: ReadonlySet<string>
}

export interface Facts {
  readonly files: ReadonlyMap<string, FileFacts>
  /** Full name → fields in the order of their numbers; google's are among them. */
  readonly messages: ReadonlyMap<string, readonly Field[]>
  readonly enums: ReadonlyMap<string, readonly (readonly [number, string])[]>
  readonly rpcs: readonly Rpc[]
}

const SCALARS = new Set(['string', 'bytes', 'bool', 'int32', 'int64', 'uint32', 'uint64'])

const GOOGLE: Readonly<Record<string, string>> = {
  'google/protobuf/wrappers.proto': `
    message BoolValue: 1 value bool
    message StringValue: 1 value string
  `,
  'google/protobuf/empty.proto': `
    message Empty
  `,
}

const RPC = /^rpc (\w+)\/(\w+)\((stream )?([\w.]+)\): (stream )?([\w.]+)$/
const MESSAGE = /^message ([\w.]+)(?:: (.+))?$/
const FIELD = /^(\d+) (\w+) (?:(repeated|optional) )?([\w.]+)(?: of (\w+))?$/
const ENUM = /^enum ([\w.]+): (.+)$/

/** `google/protobuf` is a package of its folder's name; SPIRE's shared types leave nothing else to know. */
const packageOf = (path: string): string => posix.dirname(path).replaceAll('/', '.')

interface Line {
  readonly path: string
  readonly text: string
  /** A name of the line as a full name. */
  readonly full: (name: string) => string
}

function linesOf(tables: readonly Readonly<Record<string, string>>[]): readonly Line[] {
  return [GOOGLE, ...tables].flatMap(Object.entries<string>).flatMap(([path, text]) => {
    const full = (name: string): string => {
      if (SCALARS.has(name) || name.startsWith('google.')) return name
      return name.startsWith('types.') ? `spire.api.${name}` : `${packageOf(path)}.${name}`
    }
    const lines = text.split('\n').map((line) => line.trim())
    return lines.filter((line) => line !== '').map((line) => ({ path, text: line, full }))
  })
}

function fieldOf({ text, full }: Line, written: string): Field {
  const [, number, name, label, type, oneof] = FIELD.exec(written) ?? assert.fail(text)
  return {
    number: Number(number),
    name: name!,
    type: full(type!),
    label: (label ?? '') as Field['label'],
    oneof: oneof ?? '',
  }
}

export function readFacts(...tables: readonly Readonly<Record<string, string>>[]): Facts {
  const messages = new Map<string, readonly Field[]>()
  const enums = new Map<string, readonly (readonly [number, string])[]>()
  const rpcs: Rpc[] = []
  const home = new Map<string, string>()
  const uses: (readonly [path: string, type: string])[] = []
  const lines = linesOf(tables)
  for (const line of lines) {
    const { path, text, full } = line
    const rpc = RPC.exec(text)
    const message = MESSAGE.exec(text)
    const values = ENUM.exec(text)
    if (rpc !== null) {
      const [input, output] = [full(rpc[4]!), full(rpc[6]!)]
      const kind = `${rpc[3] ?? ''}/${rpc[5] ?? ''}` as keyof typeof KINDS
      rpcs.push({ service: full(rpc[1]!), name: rpc[2]!, input, output, kind: KINDS[kind] })
      uses.push([path, input], [path, output])
    } else if (message !== null) {
      const fields = (message[2]?.split('; ') ?? []).map((written) => fieldOf(line, written))
      messages.set(full(message[1]!), fields)
      home.set(full(message[1]!), path)
      uses.push(...fields.map(({ type }) => [path, type] as const))
    } else {
      const [, name, list] = values ?? assert.fail(text)
      const pairs = list!.split('; ').map((pair) => pair.split(' '))
      enums.set(
        full(name!),
        pairs.map(([number, value]) => [Number(number), value!]),
      )
      home.set(full(name!), path)
    }
  }
  const files = new Map<string, { package: string; imports: Set<string> }>()
  for (const { path } of lines)
    files.set(path, { package: packageOf(path), imports: new Set<string>() })
  for (const [path, type] of uses) {
    const from = home.get(type)
    assert.ok(from !== undefined || SCALARS.has(type), `${path} uses ${type}, which is nowhere`)
    if (from !== undefined && from !== path) files.get(path)!.imports.add(from)
  }
  return { files, messages, enums, rpcs }
}

const KINDS = {
  '/': 'unary',
  'stream /': 'client_streaming',
  '/stream ': 'server_streaming',
  'stream /stream ': 'bidi_streaming',
} as const
