import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { METRICS, PREFIX } from '../../src/telemetry/metrics-table.ts'
import { createOperatorCa } from '../fakes/operator-ca.ts'
import { exposed, lacksPrometheus, startPrometheus } from './rig/prometheus.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const YEAR_MS = 365 * 86_400_000

test('Prometheus takes what the agent says of itself, runs every alert and every panel on it, and alerts when something is wrong', async (t) => {
  if (lacksPrometheus(t)) return
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
    const series = exposed(text, { metrics: METRICS, prefix: PREFIX })
    for (const name of ['ready', 'authority_attached_seconds_left', 'secret_life_left_ratio'])
      assert(series.has(PREFIX + name), `${name} has no series`)
    assert.equal(await agent.metric(`${PREFIX}ready`), 1)
  })

  const prometheus = await startPrometheus(rig, { job: 'spindle-agent', http: agent.http })
  const { alerts, active } = prometheus
  await t.test('no alert is raised on an agent that is well', async () => {
    await eventually('none is raised', async () => {
      assert.deepEqual(await active(), {})
      return true
    })
  })

  await t.test('every panel of the dashboard gets an answer', async () => {
    await prometheus.askAllOf('dashboard.json')
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
