/**
 * `npm run long-run [-- --minutes 30]`: two real Envoys under load while SVIDs live 30 s and CAs 5 minutes. Prints what
 * happened, and draws it into docs/long-run.svg. Ends with 1 if a request failed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { renderBootstrap } from '../../src/cli/demo/bootstrap.ts'
import type { Envoy } from '../../src/cli/demo/envoy.ts'
import { startEnvoy } from '../../src/cli/demo/envoy.ts'
import { makeScratch, readText, removeScratch } from '../../src/os/scratch.ts'
import { startAgent } from '../e2e/rig/agent.ts'
import { startLoad } from '../e2e/rig/load.ts'
import { activeListener, eventually, get } from '../e2e/rig/rig.ts'
import type { Series } from './graph.ts'
import { drawGraph } from './graph.ts'
import { residentMiB } from './process-state.ts'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, loops: { type: 'string', default: '2' } },
})
const minutes = Number(values.minutes)
const ROOT = join(import.meta.dirname, '../..')
const EVERY_MS = 5_000

const folder = makeScratch('spindle-long-run-')
const ends: (() => unknown)[] = [() => removeScratch(folder)]
try {
  const app = createServer((_, answer) => answer.end('OK'))
  await new Promise<void>((resolve) => void app.listen(0, '127.0.0.1', resolve))
  ends.push(() => app.close())
  const agent = await startAgent(join(folder, 'agent'), {
    entries: [
      { spiffeId: 'spiffe://example.org/web', selectors: [`unix:uid:${process.getuid?.() ?? 0}`] },
    ],
    config: {
      authority: { kind: 'embedded', caTtl: '5m' },
      svid: { ttl: '30s' },
      log: { level: 'warn', format: 'json' },
    },
  })
  ends.push(() => agent.stop())
  const template = readFileSync(join(ROOT, 'envoy/sidecar-delta.yaml'), 'utf8')
  const binary = process.env['ENVOY_BIN'] || readText(join(ROOT, '.cache/envoy')) || 'envoy'
  const start = async (name: string, peerPort: number): Promise<Envoy> => {
    const envoy = await startEnvoy({
      binary,
      folder: join(folder, name),
      config: renderBootstrap(template, {
        nodeId: name,
        agentSocket: agent.socket,
        inboundPort: 0,
        outboundPort: 0,
        appPort: (app.address() as AddressInfo).port,
        peerPort,
        requestsPerConnection: 1,
      }),
    })
    ends.push(() => envoy.stop())
    return envoy
  }
  const server = await start('server', 1)
  const client = await start('client', await activeListener(server, 'inbound'))
  const outbound = await activeListener(client, 'outbound')
  await eventually('a first answer', async () => (await get(outbound)).status === 200)

  const load = startLoad(outbound, { loops: Number(values.loops), pauseMs: 20 })
  ends.push(() => load.stop())
  const rotations = async (): Promise<number> =>
    (await agent.metric('spindle_agent_rotations_total{result="ok"}')) ?? 0
  const series: Series[] = [
    { name: 'agent', unit: 'MiB', points: [] },
    { name: 'Envoy, server', unit: 'MiB', points: [] },
    { name: 'Envoy, client', unit: 'MiB', points: [] },
  ]
  const pids = [agent.child.pid, server.child.pid, client.child.pid]
  const signers = new Set<string>()
  const began = performance.now()
  const firstRotations = await rotations()
  while (performance.now() - began < minutes * 60_000) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    const at = (performance.now() - began) / 60_000
    series.forEach(({ points }, i) => points.push([at, residentMiB(pids[i] ?? 0)]))
    const { slots } = await agent.admin.call(
      AdminService.method.getAuthority,
      {},
      { deadlineMs: 5_000 },
    )
    for (const slot of slots) if (slot.status !== 'prepared') signers.add(slot.authorityId)
  }
  const summary = {
    minutes,
    requests: load.answered,
    failed: load.failures.length,
    svidRotations: (await rotations()) - firstRotations,
    casThatSigned: signers.size,
    agentMiB: { first: series[0]?.points[0]?.[1], last: series[0]?.points.at(-1)?.[1] },
  }
  process.stdout.write(
    `${JSON.stringify({ ...summary, failures: load.failures.slice(0, 5) }, null, 2)}\n`,
  )
  const title = `${load.answered.toLocaleString('en')} requests, ${load.failures.length} failed, ${summary.svidRotations} SVIDs, ${signers.size} CAs: resident memory (MiB) over ${minutes} minutes`
  writeFileSync(join(ROOT, 'docs/long-run.svg'), drawGraph(title, series))
  if (load.failures.length > 0) process.exitCode = 1
} finally {
  for (const end of ends.reverse()) await end()
}
