/** What the documentation says of commands, keys, metrics, files and configurations is true of the code. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { parseDocument } from 'yaml'
import { readAgentConfig } from '../src/config/agent-config.ts'
import { readEntries } from '../src/config/entries.ts'
import { agentSchema } from '../src/config/schema.ts'
import { branches, schemaNode } from '../src/config/schema-node.ts'
import type { SchemaNode } from '../src/config/schema-node.ts'
import { serverSchema } from '../src/config/server/schema.ts'
import { ERRORS } from '../src/runtime/errors.ts'
import type { TrustDomain } from '../src/spiffe/spiffe-id.ts'
import { METRICS, PREFIX } from '../src/telemetry/metrics-table.ts'
import { OF_A_SERVER, SERVER_PREFIX } from '../src/telemetry/server/table.ts'
import { leaves, mentionFault, nameOf, silentProgram } from './docs/commands.ts'
import { commandLines } from './docs/markdown.ts'
import { BY_PATH, PAGES, ROOT, faults } from './docs/pages.ts'

test('every link of the documentation leads to a file and a heading that are there', () => {
  assert(BY_PATH.has('README.md') && BY_PATH.has('docs/sds.md') && BY_PATH.has('SECURITY.md'))
  const broken = faults((page) =>
    page.links.filter((link) => {
      if (link.startsWith('https://')) return false
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? page.path : normalize(join(dirname(page.path), file))
      if (!existsSync(join(ROOT, target))) return true
      return anchor !== undefined && BY_PATH.get(target)?.anchors.has(anchor) !== true
    }),
  )
  assert.deepEqual(broken, [])
})

test('every page is reached by links from the README', () => {
  const reached = new Set(['README.md'])
  for (const path of reached)
    for (const link of BY_PATH.get(path)?.links ?? []) {
      const target = normalize(join(dirname(path), link.split('#')[0] ?? ''))
      if (BY_PATH.has(target)) reached.add(target)
    }
  const unreached = PAGES.filter(({ path }) => !reached.has(path))
  assert.deepEqual(unreached, [])
})

test('every command line in a block of the documentation is one that spindle takes', async () => {
  const lines = PAGES.flatMap((page) => commandLines(page).map((line) => ({ page, line })))
  assert(lines.length > 10, 'no command lines found')
  const refused: string[] = []
  for (const { page, line } of lines)
    try {
      await silentProgram().parseAsync(line.split(/\s+/).slice(1), { from: 'user' })
    } catch (thrown) {
      // --version and --help end the parsing too.
      const { exitCode } = thrown as { exitCode?: unknown }
      if (exitCode !== 0) refused.push(`${page.path}: ${line}`)
    }
  assert.deepEqual(refused, [])
})

test('every command and option that the text names is there, and every command is in operations.md', () => {
  const program = silentProgram()
  const unknown = faults(({ code }) =>
    code
      .filter((text) => text.startsWith('spindle '))
      .flatMap((text) => mentionFault(program, text) ?? []),
  )
  assert.deepEqual(unknown, [])
  const { text } = BY_PATH.get('docs/operations.md')!
  const untold = leaves(program)
    .map(nameOf)
    .filter((name) => !text.includes(`| \`${name}\` `))
  assert.deepEqual(untold, [])
})

/** Every key of a schema by its path as prose names it, `sds.names.svid`; of a free mapping its own path alone. */
function keys(prefix: string, node: SchemaNode): readonly (readonly [string, SchemaNode])[] {
  return branches(node).flatMap((branch) =>
    Object.entries(branch.properties ?? {}).flatMap(([key, child]) => {
      const path = prefix === '' ? key : `${prefix}.${key}`
      return [[path, child] as const, ...keys(path, child)]
    }),
  )
}

test('every key of the configuration that the text names is there, and may have the value beside it', () => {
  const both = [agentSchema, serverSchema].flatMap((schema) => keys('', schemaNode(schema)))
  const schema = Map.groupBy(both, ([path]) => path)
  const dotted = /^([a-z][A-Za-z]*)((?:\.[a-z][A-Za-z0-9]*)+)(?:: (\S+))?$/
  let values = 0
  const unknown = faults(({ code }) =>
    code.filter((text) => {
      const [, top = '', below = '', value] = dotted.exec(text) ?? []
      if (!schema.has(top) || /\.(?:yaml|json|proto|io)(?:: true)?$/.test(text)) return false
      const nodes = schema.get(top + below)
      if (nodes === undefined) return true
      if (value === undefined) return false
      values += 1
      const allowed = nodes.flatMap(([, node]) => node.enum ?? [])
      return allowed.length > 0 && !allowed.includes(value)
    }),
  )
  assert.deepEqual(unknown, [])
  assert(values > 2, 'no values found')
})

test('every metric that the text names is there', () => {
  const known = new Set([
    ...Object.values(METRICS).map(({ name }) => PREFIX + name),
    ...Object.values(OF_A_SERVER).map(({ name }) => SERVER_PREFIX + name),
  ])
  const unknown = faults(({ text }) =>
    Array.from(text.matchAll(/spindle_(?:agent|server)_[a-z0-9_]+/g), ([name]) => name).filter(
      (name) => !known.has(name),
    ),
  )
  assert.deepEqual(unknown, [])
})

test('every error code in quoted output is one', () => {
  const codes = PAGES.flatMap(({ blocks }) =>
    blocks.flatMap(({ text }) => Array.from(text.matchAll(/^\S.* \(([a-z_]+)\)$/gm), (m) => m[1]!)),
  )
  assert(codes.length > 0, 'no codes found')
  assert.deepEqual(
    codes.filter((code) => !Object.hasOwn(ERRORS, code)),
    [],
  )
})

test('every file of the repository that the text names is there', () => {
  const named = /(?<![\w./-])(?:src|test|envoy|docs|examples|proto|\.ci)\/[\w./@-]*[\w/]/g
  let count = 0
  const missing = faults(({ text }) =>
    Array.from(text.matchAll(named), ([path]) => path).filter((path) => {
      count += 1
      // Generated, not kept.
      return !path.startsWith('src/gen') && !existsSync(join(ROOT, path))
    }),
  )
  assert(count > 50, 'no files found')
  assert.deepEqual(missing, [])
})

test('every configuration of the documentation and of examples/ is one that the agent takes', () => {
  const shown = PAGES.flatMap(({ path, blocks }) => blocks.map((block) => ({ ...block, path })))
  const examples = readdirSync(join(ROOT, 'examples'))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => ({
      info: `yaml ${name.startsWith('entries') ? 'entries.yaml' : 'agent.yaml'}`,
      text: readFileSync(join(ROOT, 'examples', name), 'utf8'),
      path: `examples/${name}`,
    }))
  const of = (kind: string) => [...shown, ...examples].filter(({ info }) => info === `yaml ${kind}`)
  const entries = of('entries.yaml')
  const agents = of('agent.yaml')
  assert(entries.length >= 4 && agents.length >= 6, 'no configurations found')
  for (const { text, path } of agents) readAgentConfig(text, { file: path })
  const trustDomain = 'example.org' as TrustDomain
  const bundles = ['partner.test' as TrustDomain]
  for (const { text, path } of entries) {
    const { warnings } = readEntries(text, { file: path, trustDomain, bundles })
    assert.deepEqual(warnings, [], path)
  }
})

test('every part of a bootstrap that the documentation shows is in that file of envoy/', () => {
  const parts = PAGES.flatMap(({ path, blocks }) =>
    blocks.flatMap(({ info, text }) => {
      const file = /^yaml part of (envoy\/\S+)$/.exec(info)?.[1]
      return file === undefined ? [] : [{ path, file, part: parseDocument(text).toJS() as unknown }]
    }),
  )
  assert(parts.length >= 2, 'no parts found')
  for (const { path, file, part } of parts) {
    const whole: unknown = parseDocument(readFileSync(join(ROOT, file), 'utf8')).toJS()
    assert(
      everyNode(whole).some((node) => says(node, part)),
      `${path} shows what is not in ${file}`,
    )
  }
})

function everyNode(value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [value]
  return [value, ...Object.values(value).flatMap(everyNode)]
}

/** Whether `whole` says all that `part` says. */
function says(whole: unknown, part: unknown): boolean {
  if (Array.isArray(part))
    return Array.isArray(whole) && part.every((one) => whole.some((other) => says(other, one)))
  if (typeof part !== 'object' || part === null) return whole === part
  if (typeof whole !== 'object' || whole === null) return false
  const of = new Map<string, unknown>(Object.entries(whole))
  return Object.entries(part).every(([key, value]) => of.has(key) && says(of.get(key), value))
}

test('decisions/dependencies.md has a line for each package of package.json, and for no other', () => {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  ) as Record<'dependencies' | 'devDependencies', Record<string, string>>
  const { text } = BY_PATH.get('docs/decisions/dependencies.md')!
  const rows = Array.from(text.matchAll(/^\| `([^`]+)`/gm), (m) => m[1]!)
  const packages = [dependencies, devDependencies].flatMap((group) => Object.keys(group).sort())
  assert.deepEqual(rows, packages)
})

test('the documentation names no path of the machine it was written on', () => {
  const named = faults(({ text }) =>
    // SPIRE's own sockets are in /tmp.
    Array.from(
      text.matchAll(/(?<![\w.-])\/(?:root|home|work|tmp)\/(?!spire-(?:server|agent)\/)\S*/g),
      ([path]) => path,
    ),
  )
  assert.deepEqual(named, [])
})
