/** The dashboards of examples/observability: every panel says what it shows, in which unit, of metrics that are there. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import type { MetricMeaning } from '../../src/telemetry/metric-labels.ts'
import { METRICS, PREFIX } from '../../src/telemetry/metrics-table.ts'
import { OF_A_SERVER, SERVER_PREFIX } from '../../src/telemetry/server/table.ts'
import { ROOT } from '../docs/pages.ts'
import { readExpression } from './promql.ts'

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly datasource?: { readonly uid: string }
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: readonly {
    readonly expr: string
    readonly datasource: { readonly uid: string }
  }[]
}

interface Dashboard {
  readonly templating: { readonly list: readonly { name: string; type: string }[] }
  readonly panels: readonly Panel[]
}

const FOLDER = join(ROOT, 'examples/observability')
const DASHBOARDS: readonly {
  readonly file: string
  readonly metrics: Readonly<Record<string, MetricMeaning>>
  readonly prefix: string
}[] = [
  { file: 'dashboard.json', metrics: METRICS, prefix: PREFIX },
  { file: 'server-dashboard.json', metrics: OF_A_SERVER, prefix: SERVER_PREFIX },
]

for (const { file, metrics, prefix } of DASHBOARDS) {
  const dashboard = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Dashboard
  const shown = dashboard.panels.filter(({ type }) => type !== 'row')
  const expressions = shown.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ title, expr })),
  )

  test(`${file}: every panel has a title, a description, a unit and a place of its own`, () => {
    assert(shown.length > 25)
    const taken = new Set<string>()
    for (const { title, description = '', fieldConfig, gridPos } of shown) {
      assert.match(description, /\.$/, title)
      assert.notEqual(fieldConfig?.defaults.unit ?? '', '', title)
      assert(gridPos.x + gridPos.w <= 24, title)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert(!taken.has(`${x},${y}`), `${title} covers another`)
          taken.add(`${x},${y}`)
        }
    }
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length)
  })

  test(`${file}: the data source is a variable, and so is what is shown`, () => {
    const variables = dashboard.templating.list.map(({ name, type }) => `${name} ${type}`)
    assert.deepEqual(variables, ['datasource datasource', 'instance query'])
    for (const { title, datasource, targets = [] } of shown)
      for (const one of [datasource, ...targets.map((target) => target.datasource)])
        assert.equal(one?.uid, '${datasource}', title)
    for (const { title, expr } of expressions)
      for (const [, matchers] of expr.matchAll(/spindle_(?:agent|server)_\w+(\{[^}]*\})?/g))
        assert.match(matchers ?? '', /instance=~"\$instance"/, title)
  })

  test(`${file}: every panel reads metrics and labels that there are, and every metric is on a panel`, () => {
    const readings = expressions.map(({ title, expr }) => ({ title, ...readExpression(expr) }))
    const faults = readings.flatMap(({ title, faults: found }) =>
      found.map((f) => `${title}: ${f}`),
    )
    assert.deepEqual(faults, [])
    const read = new Set(readings.flatMap(({ metrics }) => metrics))
    const unread = Object.values(metrics).map(({ name }) => prefix + name)
    assert.deepEqual(
      unread.filter((name) => !read.has(name)),
      [],
    )
  })

  test(`${file}: every legend names labels that are left in its expression`, () => {
    for (const panel of shown)
      for (const target of panel.targets ?? []) {
        const { expr, legendFormat = '' } = target as typeof target & { legendFormat?: string }
        const kept = /^(?:sum|count|min|max) by \(([^)]*)\)/.exec(expr)?.[1]?.split(/, */)
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          if (kept !== undefined) assert(kept.includes(label), `${panel.title}: {{${label}}}`)
      }
  })

  test(`${file}: every expression is PromQL`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'spindle-dashboard-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const rulesFile = join(folder, 'rules.yaml')
    // promtool reads expressions in rules only. Grafana puts its variables in before Prometheus sees them.
    const rules = expressions.map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }))
    writeFileSync(rulesFile, stringify({ groups: [{ name: 'panels', rules }] }))
    const run = spawnSync('promtool', ['check', 'rules', rulesFile], { encoding: 'utf8' })
    if (run.error !== undefined && process.env['CI'] !== 'true') {
      t.skip('needs promtool (Debian: prometheus)')
      return
    }
    assert.equal(run.status, 0, run.stdout + run.stderr)
    assert.match(run.stdout, new RegExp(`${rules.length} rules found`))
  })
}
