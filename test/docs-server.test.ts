/** What the documentation and the examples say of the server's config is true of the code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { branches, schemaNode } from '../src/config/schema-node.ts'
import type { SchemaNode } from '../src/config/schema-node.ts'
import { serverReference } from '../src/config/server/reference.ts'
import { serverSchema } from '../src/config/server/schema.ts'

/** Every key by its path, as the reference writes it. */
function keys(prefix: string, node: SchemaNode): readonly (readonly [string, SchemaNode])[] {
  const found = branches(node).flatMap((branch) =>
    Object.entries(branch.properties ?? {}).flatMap(([key, child]) =>
      keys(prefix === '' ? key : `${prefix}.${key}`, child),
    ),
  )
  return found.length > 0 ? found : [[prefix, node]]
}

test('serverReference() has a row for every key of the config, with what it means', () => {
  const page = serverReference([])
  const all = keys('', schemaNode(serverSchema))
  assert(all.length > 20, 'no keys found')
  const missing = all.filter(
    ([path, node]) => node.description === undefined || !page.includes(`| \`${path}\` |`),
  )
  assert.deepEqual(
    missing.map(([path]) => path),
    [],
  )
})
