/** A real Prometheus on the shipped configuration, and what an exposition holds. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import { startChild } from '../../../src/os/child.ts'
import type { MetricMeaning } from '../../../src/telemetry/metric-labels.ts'
import { eventually } from './rig.ts'
import type { Rig } from './rig.ts'
import { ROOT } from './root.ts'

const EXAMPLES = join(ROOT, 'examples/observability')

export interface AlertState {
  readonly name: string
  readonly state: 'inactive' | 'pending' | 'firing'
  readonly health: string
  readonly alerts: readonly { readonly annotations: Readonly<Record<string, string>> }[]
}

export interface Prometheus {
  alerts(): Promise<readonly AlertState[]>
  /** Those that are not inactive, and which they are. */
  active(): Promise<Readonly<Record<string, string>>>
  /** Asks all that a dashboard would. Throws where one is not answered. */
  askAllOf(dashboard: string): Promise<void>
}

/** Skips the test on a machine without Prometheus. */
export function lacksPrometheus(t: TestContext): boolean {
  const missing = ['promtool', 'prometheus'].find((name) => spawnSync(name, ['--version']).error)
  if (missing === undefined || process.env['CI'] === 'true') return false
  t.skip('needs promtool and prometheus (Debian: prometheus)')
  return true
}

/**
 * Of what is shipped only the target and the pace are the test's.
 * @param http `http://host:port` of the one that is scraped as `job`. Resolves once it was, and every alert was tried.
 */
export async function startPrometheus(
  rig: Rig,
  { job, http }: { readonly job: string; readonly http: string },
): Promise<Prometheus> {
  const shipped = parse(readFileSync(join(EXAMPLES, 'prometheus.yaml'), 'utf8')) as {
    scrape_configs: { job_name: string }[]
    rule_files: string[]
  }
  const config = {
    global: { evaluation_interval: '1s' },
    scrape_configs: shipped.scrape_configs
      .filter((one) => one.job_name === job)
      .map((one) => ({
        ...one,
        scrape_interval: '1s',
        scrape_timeout: '1s',
        static_configs: [{ targets: [http.replace('http://', '')] }],
      })),
    rule_files: shipped.rule_files.map((file) => join(EXAMPLES, file)),
  }
  const file = join(rig.folder, 'prometheus.yaml')
  writeFileSync(file, stringify(config))
  const child = await startChild('prometheus', [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(rig.folder, 'prometheus')}`,
    '--web.listen-address=127.0.0.1:0',
  ])
  rig.atEnd(() => child.stop())
  const port = await eventually('Prometheus listens', () => {
    const said = /msg="Listening on" address=127\.0\.0\.1:(\d+)/.exec(child.output())
    return said?.[1]
  })
  const ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, {
      signal: AbortSignal.timeout(20_000),
    })
    const { status, data, error } = (await answer.json()) as {
      status: string
      data: unknown
      error?: string
    }
    assert.equal(status, 'success', `${decodeURIComponent(path)}: ${error}`)
    return data
  }
  const alerts = async (): Promise<readonly AlertState[]> => {
    const { groups } = (await ask('rules')) as {
      groups: readonly { rules: readonly AlertState[] }[]
    }
    return groups.flatMap((group) => group.rules)
  }
  await eventually('it is scraped and every alert was tried', async () => {
    const states = await alerts()
    const { result } = (await ask('query?query=sum(up)')) as {
      result: readonly { value: readonly [number, string] }[]
    }
    return states.every(({ health }) => health === 'ok') && result[0]?.value[1] === '1'
  })
  return {
    alerts,
    async active() {
      const states = await alerts()
      return Object.fromEntries(
        states.flatMap(({ name, state }) => (state === 'inactive' ? [] : [[name, state]])),
      )
    },
    async askAllOf(dashboard) {
      const { panels } = JSON.parse(readFileSync(join(EXAMPLES, dashboard), 'utf8')) as {
        panels: readonly { targets?: readonly { expr: string }[] }[]
      }
      for (const { expr } of panels.flatMap(({ targets = [] }) => targets)) {
        const query = expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*')
        await ask(`query?query=${encodeURIComponent(query)}`)
      }
    },
  }
}

/** Asserts that an exposition is clean, and what its table says. @returns names of its series, `_bucket` and the like included. */
export function exposed(
  text: string,
  { metrics, prefix }: { readonly metrics: object; readonly prefix: string },
): ReadonlySet<string> {
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  assert.equal(lint.stdout + lint.stderr, '')
  assert.equal(lint.status, 0)
  const meanings = new Map(
    Object.values(metrics as Readonly<Record<string, MetricMeaning>>).flatMap((meaning) => {
      const name = prefix + meaning.name
      const names =
        meaning.type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
      return names.map((one) => [one, meaning] as const)
    }),
  )
  const found = new Set<string>()
  for (const line of text.split('\n')) {
    const [, name, labels = ''] = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line) ?? []
    if (name === undefined) continue
    found.add(name)
    const meaning = meanings.get(name)
    assert(meaning !== undefined, `${name} is not in the table`)
    for (const [, label = ''] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g))
      assert(label === 'le' || Object.hasOwn(meaning.labels, label), `${name}: ${label}`)
  }
  return found
}
