import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { configReference } from '../src/config/reference.ts'
import { agentSchema } from '../src/config/schema.ts'
import { branches, schemaNode } from '../src/config/schema-node.ts'
import type { SchemaNode } from '../src/config/schema-node.ts'

const ROOT = join(import.meta.dirname, '..')

test('docs/ config.md, errors.md and metrics.md say what the code says', () => {
  const run = spawnSync(process.execPath, ['.ci/generate-docs.mjs', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  assert.equal(
    run.status,
    0,
    `out of date, run \`node .ci/generate-docs.mjs\`: ${run.stdout}${run.stderr}`,
  )
})

test('configReference() has a row for every key of the config, with what it means', () => {
  const page = configReference([])
  const missing = leaves('', schemaNode(agentSchema)).filter(
    ({ path, node }) => node.description === undefined || !page.includes(`| \`${path}\` |`),
  )
  assert.deepEqual(
    missing.map(({ path }) => path),
    [],
  )
})

interface Leaf {
  readonly path: string
  readonly node: SchemaNode
}

function leaves(prefix: string, node: SchemaNode): readonly Leaf[] {
  const found = branches(node).flatMap((branch) => {
    const named = Object.entries(branch.properties ?? {}).flatMap(([key, child]) =>
      leaves(prefix === '' ? key : `${prefix}.${key}`, child),
    )
    const free = branch.additionalProperties
    if (typeof free !== 'object') return named
    const path = `${prefix}.${node.keyName ?? '<name>'}`
    return free.properties === undefined ? [{ path, node }] : leaves(path, free)
  })
  return found.length > 0 ? found : [{ path: prefix, node }]
}

test('docs/errors.md has the anchor of every error code', async () => {
  const { ERRORS } = await import('../src/runtime/errors.ts')
  const page = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
  for (const code of Object.keys(ERRORS)) assert.match(page, new RegExp(`^## ${code}$`, 'm'))
})
