import * as z from 'zod'
import { plain } from './fault.ts'

/** What the reference and the wording of faults read of a schema: its JSON Schema, with our metadata on it. */
export interface SchemaNode {
  readonly type?: unknown
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly propertyNames?: SchemaNode
  readonly additionalProperties?: SchemaNode | boolean
  readonly items?: SchemaNode
  readonly oneOf?: readonly SchemaNode[]
  readonly anyOf?: readonly SchemaNode[]
  /** Ours: what the reference calls this kind of value. */
  readonly label?: string
  /** Ours: what a value may be, in a few words. */
  readonly allowed?: string
  /** Ours: zod leaves its own `examples` out where text is read into something else. */
  readonly example?: string
  /** Ours: how the reference writes the key of a mapping with free keys. */
  readonly keyName?: string
  /** Ours: a default that is computed. */
  readonly defaultText?: string
}

export function schemaNode(schema: z.ZodType): SchemaNode {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode
}

/** The forms a value may take: the branches of a union, else the node itself. */
export function branches(node: SchemaNode): readonly SchemaNode[] {
  return node.oneOf ?? node.anyOf ?? [node]
}

/** The branch that `value` means to be: by its `kind`, else the one that is a mapping where the value is one. */
export function branchOf(node: SchemaNode, value: unknown): SchemaNode {
  const all = branches(node)
  if (all.length === 1) return all[0]!
  const kind = child(value, 'kind')
  return (
    all.find((branch) => kind !== undefined && branch.properties?.['kind']?.const === kind) ??
    all.find((branch) => branch.properties !== undefined && isMapping(value)) ??
    node
  )
}

export function childNode(node: SchemaNode, part: string | number): SchemaNode | undefined {
  if (typeof part === 'number') return node.items
  const own = node.properties
  if (own !== undefined && Object.hasOwn(own, part)) return own[part]
  return typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member of plain data; undefined where there is none. */
export function child(value: unknown, part: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
  return (value as Record<string | number, unknown>)[part]
}

/** What is allowed at `node`, in a few words. */
export function allowedText(node: SchemaNode | undefined): string {
  if (node === undefined) return 'nothing'
  if (node.allowed !== undefined) return node.allowed
  if (node.const !== undefined) return plain(node.const)
  if (node.enum !== undefined) return listed(node.enum.map(plain))
  const kinds = branches(node).map((branch) => branch.properties?.['kind']?.const)
  if (kinds.length > 1 && kinds.every((kind) => kind !== undefined))
    return `a mapping whose kind is ${listed(kinds.map(plain))}`
  if (node.type === 'object') {
    const keys = Object.keys(node.properties ?? {})
    return keys.length === 0 ? 'a mapping' : `a mapping with the keys ${listed(keys, 'and')}`
  }
  if (node.type === 'array') return 'a list'
  if (node.type === 'boolean') return 'true or false'
  return node.type === 'string' ? 'text' : plain(node.type)
}

export function listed(words: readonly string[], joint = 'or'): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} ${joint} ${words.at(-1)}`
}
