import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { test } from 'node:test'
import { breaches, importsOf } from './architecture/rules.ts'
import type { Files } from './architecture/rules.ts'

const SRC = join(import.meta.dirname, '../src')

function sources(): Files {
  const paths = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .map((path) => path.split(sep).join('/'))
    .filter((path) => path.endsWith('.ts') && !path.startsWith('gen/'))
    .sort()
  return new Map(paths.map((path) => [path, readFileSync(join(SRC, path), 'utf8')]))
}

test('src/ keeps to its layers', () => {
  const files = sources()
  assert.ok(files.size > 10, 'no sources found')
  assert.deepEqual(breaches(files), [])
})

/** Each rule, broken once: file, text, and what the answer must say. */
const PLANTED: readonly (readonly [file: string, text: string, answer: RegExp])[] = [
  ['spiffe/a.ts', "import { b } from '../os/b.ts'\n", /standard's rules/],
  ['xds/a.ts', "import type { B } from '../certs/b.ts'\n", /step functions/],
  ['xds/a.ts', "import { readFile } from 'node:fs/promises'\n", /only os touches files/],
  ['xds/a.ts', "import { hash, randomBytes } from 'node:crypto'\n", /buffer and crypto\.hash only/],
  ['xds/a.ts', "import {\n  x,\n} from 'node:util'\n", /buffer and crypto\.hash only/],
  ['spiffe/a.ts', 'const now = process.uptime()\n', /standard's rules/],
  ['agent/attest/a.ts', "import { b } from '../serve/b.ts'\n", /only stages before it/],
  ['agent/accept/a.ts', "import { b } from '../attest/b.ts'\n", /only stages before it/],
  ['agent/serve/a.ts', "import { startAgent } from '../agent.ts'\n", /only stages before it/],
  ['http/a.ts', "import { startAgent } from '../agent/agent.ts'\n", /handed to it/],
  ['cli/a.ts', "import { b } from '../agent/match/b.ts'\n", /reaches into no stage/],
  ['cli/a.ts', "const { x } = await import('fastify')\n", /only http serves HTTP/],
  ['authority/a.ts', "import '@peculiar/x509'\n", /only certs keeps it in check/],
  ['os/a.ts', "import x from 'left-pad'\n", /needs a row in OWNERS/],
  ['os/a.ts', "import x from '../../test/fakes/clock.ts'\n", /stands by itself/],
  ['nowhere/a.ts', '', /has no row/],
  ['cli/a.ts', 'process.exit(1)\n', /ends in one place/],
  ['authority/a.ts', 'const t = Date.now()\n', /time is passed in/],
  ['authority/a.ts', '  setTimeout(run, 3)\n', /time is passed in/],
  ['authority/a.ts', 'const serial = randomBytes(16)\n', /randomness is passed in/],
  ['certs/a.ts', 'let cache = 1\n', /no mutable state/],
  ['certs/a.ts', 'const cache = new Map<string, number>()\n', /state that is filled later/],
  ['certs/a.ts', 'console.log(1)\n', /goes through the log/],
  ['certs/a.ts', '\n'.repeat(301), /beyond 300/],
  ['certs/key-manager.ts', '', /says nothing/],
  ['certs/util/a.ts', '', /says nothing/],
]

test('breaches() names the reason for each kind of breach', () => {
  for (const [file, text, answer] of PLANTED) {
    const found = breaches(new Map([[file, text]]))
    assert.equal(
      found.length,
      1,
      `${file} ${JSON.stringify(text.slice(0, 80))}: ${found.join('\n')}`,
    )
    assert.match(found[0]!, answer)
  }
})

test('breaches() finds a cycle of three files, once', () => {
  const files = new Map([
    ['certs/a.ts', "import { b } from './b.ts'\n"],
    ['certs/b.ts', "import type { C } from './c.ts'\n"],
    ['certs/c.ts', "export { a } from './a.ts'\n"],
  ])
  assert.deepEqual(breaches(files), [
    'cycle: src/certs/a.ts → src/certs/b.ts → src/certs/c.ts → src/certs/a.ts',
  ])
})

test('breaches() counts the files of a folder, cli excepted', () => {
  const thirteen = (folder: string): Files =>
    new Map(Array.from({ length: 13 }, (_, i) => [`${folder}/f${i}.ts`, '']))
  assert.match(breaches(thirteen('certs')).join(), /src\/certs has 13 files/)
  assert.deepEqual(breaches(thirteen('cli')), [])
})

test('breaches() lets what the tables allow pass', () => {
  const files = new Map([
    ['main.ts', "import { run } from './cli/run.ts'\nprocess.exit(0)\n"],
    ['cli/run.ts', "import { startAgent } from '../agent/agent.ts'\n"],
    ['agent/agent.ts', "import { serve } from './serve/serve.ts'\n"],
    ['agent/serve/serve.ts', "// import { x } from 'koffi'\nimport { m } from '#envoy/a_pb.js'\n"],
    ['xds/a.ts', "import { hash } from 'node:crypto'\nimport { B } from '../runtime/errors.ts'\n"],
  ])
  assert.deepEqual(breaches(files), [])
})

test('importsOf() sees imports over several lines, re-exports, bare and dynamic ones', () => {
  const text = [
    "import {\n  a,\n  type B,\n} from './a.ts'",
    "export type { C } from '../c.ts'",
    "import 'reflect-metadata'",
    "const d = await import('fastify')",
  ].join('\n')
  assert.deepEqual(
    importsOf('http/x.ts', text).map(({ from, target }) => [from, target]),
    [
      ['./a.ts', 'http/a.ts'],
      ['../c.ts', 'c.ts'],
      ['reflect-metadata', undefined],
      ['fastify', undefined],
    ],
  )
})
