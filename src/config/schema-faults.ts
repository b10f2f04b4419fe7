import * as z from 'zod'
import { nearest, plain, shown } from './fault.ts'
import type { Path } from './fault.ts'
import {
  allowedText,
  branchOf,
  branches,
  child,
  childNode,
  listed,
  schemaNode,
} from './schema-node.ts'
import type { SchemaNode } from './schema-node.ts'
import type { PathFault } from './text/source-text.ts'

type Issue = z.core.$ZodIssue

/** Words what zod found: what the value is, and what its schema allows there. */
export function schemaFaults(
  schema: z.ZodType,
  input: unknown,
  issues: readonly Issue[],
): readonly PathFault[] {
  const root = schemaNode(schema)
  return issues.flatMap((issue) => worded(root, input, { ...issue, path: issue.path }))
}

/** Reads a mapping as far as it fits: the keys that do, and the faults of those that do not. */
export function readShape<T extends z.ZodObject>(
  schema: T,
  value: unknown,
): { readonly fields: Partial<z.output<T>>; readonly faults: readonly PathFault[] } {
  const result = schema.safeParse(value)
  if (result.success) return { fields: result.data, faults: [] }
  const fields = Object.entries(schema.shape).flatMap(([key, part]) => {
    const read = z.safeParse(part, child(value, key))
    return read.success && read.data !== undefined ? [[key, read.data] as const] : []
  })
  return {
    fields: Object.fromEntries(fields) as Partial<z.output<T>>,
    faults: schemaFaults(schema, value, result.error.issues),
  }
}

function worded(root: SchemaNode, input: unknown, issue: Issue): readonly PathFault[] {
  const path = issue.path as Path
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: unknownKey(...lookUp(root, input, path), key),
    }))
  // The branch that got furthest is the one that was meant: a mapping was not meant to be `false`.
  const inner =
    issue.code === 'invalid_union' ? issue.errors.findLast((list) => deep(list)) : undefined
  if (inner !== undefined)
    return inner.flatMap((one) => worded(root, input, { ...one, path: [...path, ...one.path] }))
  if (issue.code === 'custom' && issue.message !== GENERIC)
    return [{ path, message: issue.message }]
  const [node, value] = lookUp(root, input, path)
  if (issue.code === 'invalid_union' && 'options' in issue && issue.options !== undefined)
    return [{ path, message: `${isText(value)}; allowed: ${listed(issue.options.map(plain))}` }]
  if (issue.code === 'invalid_key')
    return [{ path, message: `is not a name that may stand here; ${keyRule(root, input, path)}` }]
  return [{ path, message: `${isText(value)}; allowed: ${allowedText(node)}` }]
}

function isText(value: unknown): string {
  return value === undefined ? 'is missing' : `is ${shown(value)}`
}

/** zod's text for a custom issue without one. */
const GENERIC = 'Invalid input'

function deep(issues: readonly Issue[]): boolean {
  return issues.some((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys')
}

function lookUp(root: SchemaNode, input: unknown, path: Path): [SchemaNode | undefined, unknown] {
  let node: SchemaNode | undefined = root
  let value = input
  for (const part of path) {
    node = node === undefined ? undefined : childNode(branchOf(node, value), part)
    value = child(value, part)
  }
  return [node, value]
}

function keyRule(root: SchemaNode, input: unknown, path: Path): string {
  const [parent] = lookUp(root, input, path.slice(0, -1))
  return `allowed: ${allowedText(parent?.propertyNames)}`
}

function unknownKey(node: SchemaNode | undefined, value: unknown, key: string): string {
  if (node === undefined) return 'is not a key that is known here'
  const here = branchOf(node, value)
  const known = Object.keys(here.properties ?? {})
  const owner = branches(node).find(
    (branch) =>
      branch !== here && branch.properties !== undefined && Object.hasOwn(branch.properties, key),
  )
  const kind = here.properties?.['kind']?.const
  const kindOfOwner = owner?.properties?.['kind']?.const
  if (kind !== undefined && kindOfOwner !== undefined)
    return `belongs to kind ${plain(kindOfOwner)}, and kind here is ${plain(kind)}`
  const meant = nearest(key, known)
  const guess = meant === undefined ? '' : `did you mean ${meant}? `
  return `is not a key that is known here; ${guess}allowed: ${listed(known)}`
}
