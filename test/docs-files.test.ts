/** What the documentation and the examples say of `spindle files` is true of the code. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readFilesConfig } from '../src/config/files/files-config.ts'
import { filesReference } from '../src/config/files/reference.ts'
import { filesSchema } from '../src/config/files/schema.ts'
import { schemaNode } from '../src/config/schema-node.ts'
import type { SchemaNode } from '../src/config/schema-node.ts'
import { PAGES, ROOT, faults } from './docs/pages.ts'

/** Every key by its path, as the reference writes it: `x509[].certFile`. */
function keys(prefix: string, node: SchemaNode): readonly (readonly [string, SchemaNode])[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`
    if (child.items?.properties !== undefined) return keys(`${path}[]`, child.items)
    return child.properties === undefined ? [[path, child] as const] : keys(path, child)
  })
}

const KEYS = keys('', schemaNode(filesSchema))

test('filesReference() has a row for every key of the config, with what it means', () => {
  const page = filesReference()
  assert(KEYS.length > 25, 'no keys found')
  const missing = KEYS.filter(
    ([path, node]) => node.description === undefined || !page.includes(`| \`${path}\` |`),
  )
  assert.deepEqual(missing, [])
})

test('every config of spindle files in the documentation and in examples/ is one that it takes', () => {
  const shown = PAGES.flatMap(({ path, blocks }) =>
    blocks.flatMap(({ info, text }) => (info === 'yaml files.yaml' ? [{ path, text }] : [])),
  )
  const folder = join(ROOT, 'examples')
  const examples = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(?:^|\/)files[\w-]*\.yaml$/.test(name))
    .map((name) => ({ path: name, text: readFileSync(join(folder, name), 'utf8') }))
  assert(shown.length >= 3, 'no configs found')
  for (const { path, text } of [...shown, ...examples]) readFilesConfig(text, { file: path })
})

test('every key of a files config that the text names is there', () => {
  const known = new Set(
    KEYS.flatMap(([path]) => [path, path.replace('[]', ''), path.replace(/\.[a-zA-Z]+$/, '')]),
  )
  let count = 0
  const unknown = faults(({ code }) =>
    code.filter((text) => {
      if (!/^(?:x509|jwt|jwtBundles|after)(?:\[\])?\.[a-zA-Z.]+$/.test(text)) return false
      count += 1
      return !known.has(text)
    }),
  )
  assert(count > 4, 'no keys found')
  assert.deepEqual(unknown, [])
})
