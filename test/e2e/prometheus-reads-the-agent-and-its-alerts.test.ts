import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { startChild } from '../../src/os/child.ts'
import { METRICS, PREFIX } from '../../src/telemetry/metrics-table.ts'
import type { MetricMeaning } from '../../src/telemetry/metric-labels.ts'
import { createOperatorCa } from '../fakes/operator-ca.ts'
import type { Agent } from './rig/agent.ts'
import { createRig, eventually } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'
import type { Rig } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const EXAMPLES = join(ROOT, 'examples/observability')
const YEAR_MS = 365 * 86_400_000

interface AlertState {
  readonly name: string
  readonly state: 'inactive' | 'pending' | 'firing'
  readonly health: string
  readonly alerts: readonly { readonly annotations: Readonly<Record<string, string>> }[]
}

/** A real Prometheus on the shipped configuration, of which only the targets and the pace are the test's. */
async function startPrometheus(
  rig: Rig,
  agent: Agent,
): Promise<{ ask(path: string): Promise<unknown> }> {
  const shipped = parse(readFileSync(join(EXAMPLES, 'prometheus.yaml'), 'utf8')) as {
    scrape_configs: { job_name: string }[]
    rule_files: string[]
  }
  const config = {
    global: { evaluation_interval: '1s' },
    scrape_configs: shipped.scrape_configs.map((one) => ({
      ...one,
      scrape_interval: '1s',
      scrape_timeout: '1s',
      static_configs: [{ targets: [agent.http.replace('http://', '')] }],
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
  return {
    async ask(path) {
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
    },
  }
}

/** `name` → the labels it has in an exposition, `le` apart. */
function exposed(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>()
  for (const line of text.split('\n')) {
    const [, name, labels = ''] = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line) ?? []
    if (name === undefined) continue
    const known = found.get(name) ?? new Set()
    for (const [, label = ''] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g))
      if (label !== 'le') known.add(label)
    found.set(name, known)
  }
  return found
}

test('Prometheus takes what the agent says of itself, runs every alert and every panel on it, and alerts when something is wrong', async (t) => {
  const missing = ['promtool', 'prometheus'].find((name) => spawnSync(name, ['--version']).error)
  if (missing !== undefined && process.env['CI'] !== 'true')
    return t.skip('needs promtool and prometheus (Debian: prometheus)')
  const rig = createRig(t)
  const now = Date.now()
  const life = { notBefore: now - 60_000, notAfter: now + YEAR_MS }
  const ca = await createOperatorCa({ name: 'operator', ...life })
  const partner = await createOperatorCa({ name: 'partner', ...life })
  for (const [name, text] of [
    ['ca.pem', ca.certPem],
    ['key.pem', ca.keyPem],
    ['partner.pem', partner.certPem],
  ] as const)
    writeFileSync(join(rig.folder, name), text, { mode: 0o600 })
  const uid = `unix:uid:${process.getuid?.()}`
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: [uid] }],
    config: {
      authority: { kind: 'disk', certFile: '../ca.pem', keyFile: '../key.pem' },
      bundles: { 'partner.test': { file: '../partner.pem' } },
      log: { level: 'error', format: 'json' },
    },
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const bundle = client.sotw()
  bundle.subscribe('ROOTCA')
  bundle.ack(await bundle.next())
  const svid = client.delta()
  svid.subscribe('default')
  const sent = await svid.next()

  await t.test('its metrics are clean, and what the table says they are', async () => {
    const text = await (await fetch(`${agent.http}/metrics`)).text()
    const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    assert.equal(lint.stdout + lint.stderr, '')
    assert.equal(lint.status, 0)
    const series = exposed(text)
    const meanings = new Map(
      Object.values<MetricMeaning>(METRICS).flatMap((meaning) => {
        const name = PREFIX + meaning.name
        const names =
          meaning.type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
        return names.map((one) => [one, meaning] as const)
      }),
    )
    for (const [name, labels] of series) {
      const meaning = meanings.get(name)
      assert(meaning !== undefined, `${name} is not in the table`)
      for (const label of labels) assert(Object.hasOwn(meaning.labels, label), `${name}: ${label}`)
    }
    for (const name of ['ready', 'authority_attached_seconds_left', 'secret_life_left_ratio'])
      assert(series.has(PREFIX + name), `${name} has no series`)
    assert.equal(await agent.metric(`${PREFIX}ready`), 1)
  })

  const prometheus = await startPrometheus(rig, agent)
  const alerts = async (): Promise<readonly AlertState[]> => {
    const { groups } = (await prometheus.ask('rules')) as {
      groups: readonly { rules: readonly AlertState[] }[]
    }
    return groups.flatMap((group) => group.rules)
  }
  const active = async (): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(
      (await alerts()).flatMap(({ name, state }) => (state === 'inactive' ? [] : [[name, state]])),
    )
  await eventually('the agent is scraped and every alert was tried', async () => {
    const states = await alerts()
    const { result } = (await prometheus.ask('query?query=sum(up)')) as {
      result: readonly { value: readonly [number, string] }[]
    }
    return states.every(({ health }) => health === 'ok') && result[0]?.value[1] === '1'
  })

  await t.test('no alert is raised on an agent that is well', async () => {
    assert.deepEqual(await active(), {})
  })

  await t.test('every panel of the dashboard gets an answer', async () => {
    const { panels } = JSON.parse(readFileSync(join(EXAMPLES, 'dashboard.json'), 'utf8')) as {
      panels: readonly { targets?: readonly { expr: string }[] }[]
    }
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    for (const expr of expressions) {
      const query = expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*')
      await prometheus.ask(`query?query=${encodeURIComponent(query)}`)
    }
  })

  await t.test(
    'a rejected secret and a bad file raise their alerts, with their texts, and no other',
    async () => {
      svid.nack(sent, { code: 13, message: 'KEY_VALUES_MISMATCH' })
      writeFileSync(join(agent.folder, 'entries.yaml'), 'entries: nothing\n')
      const raised = { SpindleSecretRejected: 'firing', SpindleFileNotInUse: 'pending' }
      await eventually('both are raised', async () => {
        const now_ = await active()
        return Object.keys(raised).every((name) => name in now_)
      })
      assert.deepEqual(await active(), raised)
      const [rejected] = (await alerts()).find(
        ({ name }) => name === 'SpindleSecretRejected',
      )!.alerts
      const instance = agent.http.replace('http://', '')
      assert.equal(
        rejected?.annotations['summary'],
        `An Envoy on ${instance} rejected a secret (key_mismatch).`,
      )
    },
  )
})
