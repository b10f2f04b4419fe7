/** The alerts of examples/observability: what they read is there, each fires when it should and not otherwise, each has its page. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import { CONNECTION_REFUSALS } from '../../src/telemetry/metric-labels.ts'
import { PREFIX } from '../../src/telemetry/metrics-table.ts'
import { DOOR_REFUSALS, SERVER_PREFIX } from '../../src/telemetry/server/table.ts'
import { BY_PATH, ROOT } from '../docs/pages.ts'
import { ALERT_CASES } from './alert-cases.ts'
import type { Series } from './alert-cases.ts'
import { readExpression } from './promql.ts'
import { SERVER_ALERT_CASES } from './server-alert-cases.ts'

const FOLDER = join(ROOT, 'examples/observability')
/** Each file, and its cases. */
const FILES = [
  { file: 'alerts.yaml', cases: ALERT_CASES, prefix: PREFIX },
  { file: 'server-alerts.yaml', cases: SERVER_ALERT_CASES, prefix: SERVER_PREFIX },
]

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

function rulesOf(file: string): readonly Rule[] {
  const { groups } = parse(readFileSync(join(FOLDER, file), 'utf8')) as {
    groups: readonly { rules: readonly Rule[] }[]
  }
  return groups.flatMap((group) => group.rules)
}

const rules = FILES.flatMap(({ file }) => rulesOf(file))

/** Runs promtool, or skips the test on a machine without it. */
function promtool(t: TestContext, ...args: readonly string[]): string | undefined {
  const run = spawnSync('promtool', args, { encoding: 'utf8' })
  if (run.error !== undefined && process.env['CI'] !== 'true') {
    t.skip('needs promtool (Debian: prometheus)')
    return undefined
  }
  assert.equal(run.status, 0, `${run.error ?? ''}${run.stdout}${run.stderr}`)
  return run.stdout
}

test('the alerts and prometheus.yaml are what Prometheus takes, without a warning', (t) => {
  const said = promtool(t, 'check', 'config', '--lint-fatal', join(FOLDER, 'prometheus.yaml'))
  const found = Array.from(said?.matchAll(/SUCCESS: (\d+) rules found/g) ?? [], ([, n]) =>
    Number(n),
  )
  const there = FILES.map(({ file }) => rulesOf(file).length)
  if (said !== undefined) assert.deepEqual(found, there)
})

test('every alert reads metrics and labels that there are', () => {
  assert(rules.length >= 40)
  const faults = rules.flatMap(({ alert, expr }) => {
    const { metrics, faults: found } = readExpression(expr)
    return metrics.length === 0 ? [`${alert}: reads nothing`] : found.map((f) => `${alert}: ${f}`)
  })
  assert.deepEqual(faults, [])
})

test('every alert has a severity, a text, and a page of its own in docs/alerts.md, where nothing else has one', () => {
  const page = BY_PATH.get('docs/alerts.md')!
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels['severity'] ?? '', /^(?:critical|warning)$/, alert)
    assert.match(annotations['summary'] ?? '', /\.$/, alert)
    assert.match(annotations['description'] ?? '', /\.$/, alert)
    assert.equal(annotations['runbook'], `docs/alerts.md#${alert.toLowerCase()}`)
    assert(page.anchors.has(alert.toLowerCase()), `${alert} has no page`)
  }
  const headings = Array.from(page.text.matchAll(/^### (Spindle\w+)$/gm), ([, name]) => name)
  assert.deepEqual(
    headings,
    rules.map(({ alert }) => alert),
  )
})

test('docs/alerts.md says what to do about each reason a connection is refused for', () => {
  const { text } = BY_PATH.get('docs/alerts.md')!
  const alarming = [...CONNECTION_REFUSALS, ...DOOR_REFUSALS].filter((one) => one !== 'closing')
  assert.deepEqual(
    alarming.filter((reason) => !text.includes(`\`${reason}\``)),
    [],
  )
})

for (const { file, cases, prefix } of FILES)
  test(`every alert of ${file} fires on what it is for, and on nothing that is like it`, (t) => {
    assert.deepEqual(
      rulesOf(file).map(({ alert }) => alert),
      Object.keys(cases),
    )
    const folder = mkdtempSync(join(tmpdir(), 'spindle-alerts-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const tests = Object.entries(cases).flatMap(([alert, { at, fires, quiet }]) => [
      promtoolTest(`${alert} fires`, named(fires, prefix), { at, alerts: [alert] }),
      promtoolTest(`${alert} is quiet`, named(quiet, prefix), { at, alerts: [] }),
    ])
    const all = { rule_files: [join(FOLDER, file)], tests }
    writeFileSync(join(folder, 'tests.yaml'), stringify({ ...all, evaluation_interval: '30s' }))
    promtool(t, 'test', 'rules', join(folder, 'tests.yaml'))
  })

function named(series: Series, prefix: string): Series {
  return Object.fromEntries(
    Object.entries(series).map(([key, values]) => [
      key.startsWith('up{') ? key : prefix + key,
      values,
    ]),
  )
}

/** Which alerts fire at an instant: exactly `alerts`, each once. */
function promtoolTest(
  name: string,
  series: Series,
  expected: { readonly at: string; readonly alerts: readonly string[] },
): object {
  return {
    name,
    interval: '30s',
    input_series: Object.entries(series).map(([key, values]) => ({ series: key, values })),
    promql_expr_test: [
      {
        expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
        eval_time: expected.at,
        exp_samples: expected.alerts.map((alert) => ({
          labels: `{alertname="${alert}"}`,
          value: 1,
        })),
      },
    ],
  }
}
