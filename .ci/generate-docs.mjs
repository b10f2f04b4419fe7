// Writes the pages of docs/ that follow from code: `node .ci/generate-docs.mjs`. With --check nothing is written, and the exit
// code is 1 when a page differs (test/docs.test.ts). Runs under the pinned Node, which strips the types of what it imports.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as prettier from 'prettier'
import { filesReference } from '../src/config/files/reference.ts'
import { configReference } from '../src/config/reference.ts'
import { serverReference } from '../src/config/server/reference.ts'
import { ERRORS } from '../src/runtime/errors.ts'
import { status } from '../src/runtime/grpc-status.ts'
import { METRICS, PREFIX } from '../src/telemetry/metrics-table.ts'
import { OF_A_SERVER, SERVER_PREFIX } from '../src/telemetry/server/table.ts'

const root = join(import.meta.dirname, '..')
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
const written = (source) => `<!-- Written by .ci/generate-docs.mjs from ${source}. -->`

function errorsPage() {
  const grpc = Object.fromEntries(Object.entries(status).map(([name, code]) => [code, name]))
  const codes = Object.entries(ERRORS).map(
    ([code, meaning]) =>
      `## ${code}\n\n${meaning.todo}\n\ngRPC status ${grpc[meaning.grpc]} · exit code ${meaning.exit}`,
  )
  return [
    '# Errors',
    written('src/runtime/errors.ts'),
    'Every error Spindle raises on purpose has one of these codes. A command ends with the exit code: 1 failure, 2 usage or a fault of a file, 3 not ready, 4 denied.',
    ...codes,
  ].join('\n\n')
}

function labelsText(labels) {
  return Object.entries(labels)
    .map(([label, values]) => {
      const meaning = typeof values === 'string' ? values : values.map((v) => `\`${v}\``).join(', ')
      return `\`${label}\`: ${meaning}`
    })
    .join('; ')
}

function metricsPage() {
  const rows = (metrics, prefix) =>
    Object.values(metrics).map((m) => [
      `\`${prefix}${m.name}\``,
      m.type,
      labelsText(m.labels),
      m.help,
    ])
  const buckets = (metrics, prefix) =>
    Object.values(metrics)
      .filter((m) => m.type === 'histogram')
      .map((m) => `- \`${prefix}${m.name}\`: ${m.buckets.join(', ')}`)
  const head = ['name', 'type', 'labels', 'meaning']
  return [
    '# Metrics',
    written('src/telemetry/metrics-table.ts'),
    'The agent serves these at `/metrics` of `http.listen`, in the Prometheus text format. Times are in seconds. A series of a SPIFFE ID or trust domain goes when it does. No metric holds key material.',
    table(head, rows(METRICS, PREFIX)),
    '## Of a server',
    written('src/telemetry/server/table.ts'),
    'A server serves these at `/metrics` of its own `http.listen`.',
    table(head, rows(OF_A_SERVER, SERVER_PREFIX)),
    '## Buckets',
    [...buckets(METRICS, PREFIX), ...buckets(OF_A_SERVER, SERVER_PREFIX)].join('\n'),
  ].join('\n\n')
}

const EXAMPLES = [
  'standalone-embedded.yaml',
  'standalone-disk.yaml',
  'federated.yaml',
  'fleet/agent.yaml',
]
const examples = [
  ...EXAMPLES,
  ...readdirSync(join(root, 'examples'))
    .filter((n) => /^entries.*\.yaml$/.test(n))
    .sort(),
]
const pages = {
  'docs/config.md': configReference(
    examples.map((name) => ({ name, text: readFileSync(join(root, 'examples', name), 'utf8') })),
  ),
  'docs/files-config.md': filesReference(),
  'docs/server-config.md': serverReference(
    ['fleet/server.yaml', 'fleet/server-disk.yaml'].map((name) => ({
      name,
      text: readFileSync(join(root, 'examples', name), 'utf8'),
    })),
  ),
  'docs/errors.md': errorsPage(),
  'docs/metrics.md': metricsPage(),
}

let stale = false
for (const [path, text] of Object.entries(pages)) {
  const file = join(root, path)
  const options = await prettier.resolveConfig(file)
  const wanted = await prettier.format(text, { ...options, parser: 'markdown' })
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) continue
  stale = true
  process.stdout.write(`${path}\n`)
  if (!process.argv.includes('--check')) writeFileSync(file, wanted)
}
if (stale && process.argv.includes('--check')) process.exitCode = 1
