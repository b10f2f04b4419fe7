/** An agent as a process: `spindle agent` on a configuration of the test's. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Child } from '../../../src/os/child.ts'
import { startChild } from '../../../src/os/child.ts'
import type { RpcClient } from '../../../src/wire/client.ts'
import { createUnixClient } from '../../../src/wire/client.ts'
import type {
  ListSidecarsResponse,
  ListWorkloadsResponse,
  Sidecar,
  Workload,
} from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import { AdminService } from '../../../src/gen/spindle/admin/v1/admin_pb.js'

export interface EntrySettings {
  readonly spiffeId: string
  readonly selectors: readonly string[]
  readonly x509SvidTtl?: string
  readonly dnsNames?: readonly string[]
  readonly federatesWith?: readonly string[]
  readonly hint?: string
  readonly default?: boolean
}

export interface AgentSettings {
  readonly entries?: readonly EntrySettings[]
  /** Merged over the configuration, key by key at the top. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Of the Node that runs it. */
  readonly nodeArgs?: readonly string[]
  /** Put in front of the command, such as `faketime`. */
  readonly through?: readonly string[]
}

export interface Agent {
  readonly folder: string
  readonly socket: string
  readonly adminSocket: string
  /** `http://127.0.0.1:port` */
  readonly http: string
  readonly child: Child
  readonly admin: RpcClient
  setEntries(entries: readonly EntrySettings[]): void
  /** Every sidecar with an open stream. */
  sidecars(): Promise<readonly Sidecar[]>
  /** Every connection that called the Workload API. */
  workloads(): Promise<readonly Workload[]>
  /** The value of a metric's series, as it is written in the exposition: `name{label="x"}`. */
  metric(series: string): Promise<number | undefined>
  stop(): Promise<void>
  /** Starts it again on the same folder after `stop` or a kill. */
  restart(): Promise<Agent>
}

const ROOT = join(import.meta.dirname, '../../..')
/** npm test runs what was built; a test run by itself, the sources. */
const MAIN = process.env['SPINDLE_MAIN'] ?? 'src/main.ts'

export async function startAgent(folder: string, settings: AgentSettings): Promise<Agent> {
  mkdirSync(folder, { mode: 0o755 })
  const entriesFile = join(folder, 'entries.yaml')
  writeEntries(entriesFile, settings.entries ?? [])
  const config = {
    trustDomain: 'example.org',
    socket: join(folder, 'run/agent.sock'),
    admin: { socket: join(folder, 'run/admin/admin.sock') },
    http: { listen: '127.0.0.1:0' },
    stateDir: join(folder, 'state'),
    authority: { kind: 'embedded' },
    entries: { file: 'entries.yaml' },
    log: { level: 'debug', format: 'text' },
    ...settings.config,
  }
  writeFileSync(join(folder, 'agent.yaml'), stringify(config))
  return run(folder, settings)
}

async function run(folder: string, settings: AgentSettings): Promise<Agent> {
  const { nodeArgs = [] } = settings
  const node = ['--max-semi-space-size=2', '--disable-sigusr1', ...nodeArgs, join(ROOT, MAIN)]
  const command = [
    ...(settings.through ?? []),
    process.execPath,
    ...node,
    'agent',
    '-c',
    join(folder, 'agent.yaml'),
  ]
  const child = await startChild(command[0] ?? '', command.slice(1), {
    cwd: folder,
    // As the first line of the program has it.
    env: { MALLOC_MMAP_THRESHOLD_: '32768', ...settings.env },
  })
  const line = await child.line((text) => text.startsWith('{"ready":true'))
  const { socket, adminSocket, http } = JSON.parse(line) as {
    socket: string
    adminSocket: string
    http: string
  }
  const admin = createUnixClient(adminSocket)
  return {
    folder,
    socket,
    adminSocket,
    http: `http://${http}`,
    child,
    admin,
    setEntries: (entries) => writeEntries(join(folder, 'entries.yaml'), entries),
    async sidecars() {
      const answer: ListSidecarsResponse = await admin.call(
        AdminService.method.listSidecars,
        {},
        { deadlineMs: 20_000 },
      )
      return answer.sidecars
    },
    async workloads() {
      const answer: ListWorkloadsResponse = await admin.call(
        AdminService.method.listWorkloads,
        {},
        { deadlineMs: 20_000 },
      )
      return answer.workloads
    },
    async metric(series) {
      const answer = await fetch(`http://${http}/metrics`, { signal: AbortSignal.timeout(20_000) })
      const found = (await answer.text()).split('\n').find((text) => text.startsWith(`${series} `))
      return found === undefined ? undefined : Number(found.slice(series.length + 1))
    },
    async stop() {
      admin.close()
      await child.stop()
    },
    restart: () => run(folder, settings),
  }
}

function writeEntries(file: string, entries: readonly EntrySettings[]): void {
  writeFileSync(file, stringify({ entries }))
}
