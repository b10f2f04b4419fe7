/** A server of a fleet as a process: `spindle server` on a configuration of the test's. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Child } from '../../../src/os/child.ts'
import { startChild } from '../../../src/os/child.ts'
import type { RpcClient } from '../../../src/wire/client.ts'
import { createUnixClient } from '../../../src/wire/client.ts'
import type { Host } from './hosts.ts'
import { ROOT } from './root.ts'

export interface ServerSettings {
  /** Merged over the configuration, key by key at the top. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Put in front of the command, such as `faketime`. */
  readonly through?: readonly string[]
  /** Where it runs, if not on the test's own network. */
  readonly host?: Pick<Host, 'address' | 'through'>
}

export interface FleetServer {
  readonly folder: string
  /** Where agents call: `127.0.0.1:8081`. */
  readonly address: string
  readonly adminSocket: string
  /** `http://127.0.0.1:port` */
  readonly http: string
  readonly child: Child
  /** Of the server itself, whatever it was started through. */
  readonly pid: number
  /** By the admin socket. */
  readonly local: RpcClient
  stop(): Promise<void>
  /** Starts it again on the same folder, and the same address, after `stop` or a kill. */
  restart(): Promise<FleetServer>
}

/** npm test runs what was built; a test run by itself, the sources. */
const MAIN = process.env['SPINDLE_MAIN'] ?? 'src/main.ts'

/** `folder` is made, for root alone. */
export async function startServer(
  folder: string,
  settings: ServerSettings = {},
): Promise<FleetServer> {
  mkdirSync(folder, { mode: 0o700, recursive: true })
  return run(folder, settings, `${settings.host?.address ?? '127.0.0.1'}:0`)
}

async function run(folder: string, settings: ServerSettings, listen: string): Promise<FleetServer> {
  const config = {
    trustDomain: 'example.org',
    listen,
    admin: { socket: join(folder, 'run/admin/server.sock') },
    http: { listen: '127.0.0.1:0' },
    stateDir: join(folder, 'state'),
    log: { level: 'debug', format: 'text' },
    ...settings.config,
  }
  const file = join(folder, 'server.yaml')
  writeFileSync(file, stringify(config))
  const program = ['--max-semi-space-size=2', '--disable-sigusr1', join(ROOT, MAIN)]
  const before = [...(settings.host?.through ?? []), ...(settings.through ?? [])]
  const command = [...before, process.execPath, ...program, 'server', '-c', file]
  const child = await startChild(command[0] ?? '', command.slice(1), {
    cwd: folder,
    env: { MALLOC_MMAP_THRESHOLD_: '32768', ...settings.env },
  })
  const line = await child.line((text) => text.startsWith('{"ready":true'))
  const ready = JSON.parse(line) as {
    pid: number
    listen: string
    adminSocket: string
    http: string
  }
  const local = createUnixClient(ready.adminSocket)
  return {
    folder,
    address: ready.listen,
    adminSocket: ready.adminSocket,
    http: `http://${ready.http}`,
    child,
    pid: ready.pid,
    local,
    async stop() {
      local.close()
      await child.stop()
    },
    restart: () => run(folder, settings, ready.listen),
  }
}
