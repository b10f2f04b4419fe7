/**
 * What an end-to-end test stands on: agents and real Envoys as processes of their own, an application to answer, and a
 * folder, all of which end with the test.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Sidecar } from '../../../src/cli/demo/bootstrap.ts'
import { renderBootstrap } from '../../../src/cli/demo/bootstrap.ts'
import type { Envoy } from '../../../src/cli/demo/envoy.ts'
import { startEnvoy } from '../../../src/cli/demo/envoy.ts'
import { copyProgram, makeScratch, readText, removeScratch } from '../../../src/os/scratch.ts'
import { expectAgentIsLeft, footprintOf } from '../../leaks.ts'
import type { Agent, AgentSettings } from './agent.ts'
import { startAgent } from './agent.ts'
import type { Host } from './hosts.ts'
import { ROOT } from './root.ts'
import type { FleetServer, ServerSettings } from './server.ts'
import { startServer } from './server.ts'

export type Template = 'sidecar-delta' | 'sidecar-sotw' | 'sidecar-federated' | 'sidecar-on-demand'

export interface EnvoySettings extends Partial<Sidecar> {
  readonly template?: Template
  readonly uid?: number
  readonly args?: readonly string[]
  /** Where it runs, if not on the test's own network. */
  readonly host?: Host
  /** Changes the rendered configuration. */
  readonly change?: (config: Record<string, any>) => void // eslint-disable-line @typescript-eslint/no-explicit-any
}

export interface Rig {
  /** Every user may enter it. */
  readonly folder: string
  agent(settings?: AgentSettings): Promise<Agent>
  server(settings?: ServerSettings): Promise<FleetServer>
  envoy(agent: Pick<Agent, 'socket'>, settings?: EnvoySettings): Promise<Envoy>
  /** The rig's copy of the Envoy binary, which every user may run. */
  envoyBinary(): string
  /** An HTTP server on loopback that answers 200 with `body`. Resolves to its port. */
  app(body: string): Promise<number>
  /** Runs `end` when the test ends, last added first. */
  atEnd(end: () => unknown): void
}

/** The Envoy binary, where every uid may run it; a machine without one fails in CI and says so elsewhere. */
function envoyBinary(t: TestContext, folder: string): string | undefined {
  const named = process.env['ENVOY_BIN'] || readText(join(ROOT, '.cache/envoy'))
  if (named === undefined || named === '') {
    if (process.env['CI'] === 'true') assert.fail('no Envoy: run npm test, which fetches it')
    t.skip('needs Envoy: run npm test, which fetches it')
    return undefined
  }
  const shared = join(folder, 'envoy')
  copyProgram(named, shared)
  return shared
}

export function createRig(t: TestContext): Rig {
  const folder = makeScratch('spindle-e2e-')
  const ends: (() => unknown)[] = []
  let binary: string | undefined
  let count = 0
  t.after(async () => {
    const faults: unknown[] = []
    // What goes wrong in one end is no reason to leave the others.
    for (const end of ends.reverse())
      try {
        await end()
      } catch (thrown) {
        faults.push(thrown)
      }
    removeScratch(folder)
    if (faults.length > 0) throw faults[0]
  })
  const binaryOfRig = (): string => {
    binary ??= envoyBinary(t, folder)
    if (binary === undefined) throw new Error('no Envoy')
    return binary
  }
  return {
    folder,
    envoyBinary: binaryOfRig,
    atEnd: (end) => void ends.push(end),
    async agent(settings = {}) {
      count += 1
      const agent = await startAgent(join(folder, `agent-${count}`), settings)
      const atStart = footprintOf(agent.child.pid)
      ends.push(async () => {
        try {
          if (atStart !== undefined) await expectAgentIsLeft(agent, atStart)
        } finally {
          await agent.stop()
        }
      })
      return agent
    },
    async server(settings = {}) {
      count += 1
      const server = await startServer(join(folder, `server-${count}`), settings)
      ends.push(() => server.stop())
      return server
    },
    async envoy(agent, settings = {}) {
      count += 1
      const { template = 'sidecar-delta', uid, args, host, change, ...sidecar } = settings
      const text = readFileSync(join(ROOT, 'envoy', `${template}.yaml`), 'utf8')
      let config = renderBootstrap(text, {
        nodeId: `envoy-${count}`,
        agentSocket: agent.socket,
        inboundPort: 0,
        outboundPort: 0,
        appPort: 1,
        peerPort: 1,
        ...sidecar,
      })
      if (change !== undefined) {
        const parsed = JSON.parse(config) as Record<string, unknown>
        change(parsed)
        config = JSON.stringify(parsed)
      }
      const envoy = await startEnvoy({
        binary: binaryOfRig(),
        config,
        folder: join(folder, `envoy-${count}`),
        uid,
        host,
        ...(args !== undefined && { args }),
      })
      ends.push(() => envoy.stop())
      return envoy
    },
    async app(body) {
      const server: Server = createServer((_, answer) => answer.end(body))
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
      ends.push(() => {
        server.closeAllConnections()
        server.close()
      })
      return (server.address() as AddressInfo).port
    },
  }
}

/** Looks until `look` gives something; fails after `withinMs`, saying what was waited for. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 20_000,
): Promise<T> {
  const end = performance.now() + withinMs
  let last: unknown
  for (;;) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
    } catch (thrown) {
      last = thrown
    }
    if (performance.now() > end)
      assert.fail(
        `${what}: not within ${withinMs} ms${last instanceof Error ? ` (${last.message})` : ''}`,
      )
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/**
 * The listener's port once it is active and accepts. A static one is bound, and shown, long before: it accepts when
 * Envoy starts its workers.
 */
export function activeListener(envoy: Envoy, name: string, withinMs?: number): Promise<number> {
  return eventually(
    `listener ${name} active`,
    async () => {
      if ((await envoy.stat('listener_manager.workers_started')) !== 1) return undefined
      const port = await envoy.listenerPort(name)
      return port !== undefined && port !== 0 ? port : undefined
    },
    withinMs,
  )
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** One HTTP request on a connection of its own. */
export function get(port: number, path = '/'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port, path, agent: false, timeout: 20_000 },
      (answer) => {
        let body = ''
        answer.setEncoding('utf8').on('data', (text: string) => (body += text))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
      },
    )
    call.on('error', reject)
    call.on('timeout', () => call.destroy(new Error('timeout')))
    call.end()
  })
}

export function write(path: string, text: string): void {
  writeFileSync(path, text)
}
