import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { OF_A_SERVER, SERVER_PREFIX } from '../../src/telemetry/server/table.ts'
import { joining } from './rig/joining.ts'
import { exposed, lacksPrometheus, startPrometheus } from './rig/prometheus.ts'
import { createRig, eventually } from './rig/rig.ts'

test('Prometheus takes what a server says of itself, runs every alert and every panel on it, and alerts when it is gone', async (t) => {
  if (lacksPrometheus(t)) return
  const rig = createRig(t)
  const server = await rig.server()
  await rig.agent(await joining(rig, server, 'web'))
  const metrics = async (): Promise<string> => (await fetch(`${server.http}/metrics`)).text()

  await t.test('its metrics are clean, and what the table says they are', async () => {
    const text = await eventually('the agent has joined, and has what it is told', async () => {
      const now = await metrics()
      const wanted = ['agents_connected 1', 'agents_behind 0', 'ready 1']
      return wanted.every((line) => now.includes(`_${line}\n`)) ? now : undefined
    })
    const series = exposed(text, { metrics: OF_A_SERVER, prefix: SERVER_PREFIX })
    for (const name of ['ready', 'svid_life_left_ratio', 'authority_active_life_left_ratio'])
      assert(series.has(SERVER_PREFIX + name), `${name} has no series`)
    // Neither a CA nor a server is above it.
    for (const name of ['authority_attached_seconds_left', 'above_fault'])
      assert(!series.has(SERVER_PREFIX + name), `${name} has a series`)
  })

  await t.test('a connection that is no TLS is counted', async () => {
    const [host = '', port] = server.address.split(':')
    const socket = connect(Number(port), host, () => socket.write('GET / HTTP/1.1\r\n\r\n'))
    socket.on('error', () => undefined)
    rig.atEnd(() => void socket.destroy())
    await eventually('it is counted', async () =>
      /connections_refused_total\{reason="handshake_failed"\} 1\n/.test(await metrics()),
    )
  })

  const prometheus = await startPrometheus(rig, { job: 'spindle-server', http: server.http })

  await t.test('no alert is raised on a server that is well', async () => {
    await eventually('none is raised', async () => {
      assert.deepEqual(await prometheus.active(), {})
      return true
    })
  })

  await t.test('every panel of the dashboard gets an answer', async () => {
    await prometheus.askAllOf('server-dashboard.json')
  })

  await t.test('once it is gone, that is told, and nothing else', async () => {
    await server.stop()
    await eventually('it is told', async () => {
      assert.deepEqual(await prometheus.active(), { SpindleServerDown: 'pending' })
      return true
    })
  })
})
