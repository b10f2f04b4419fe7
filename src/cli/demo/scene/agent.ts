/** The agent of the demo: a real `spindle agent` process, on a configuration and entries written here. */
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Child } from '../../../os/child.ts'
import { startChild } from '../../../os/child.ts'
import { PROGRAM } from '../../../os/host/package-root.ts'
import { writeText } from '../../../os/scratch.ts'
import type { RpcClient } from '../../../wire/client.ts'
import { createUnixClient } from '../../../wire/client.ts'
import type { Member } from './cast.ts'
import { TRUST_DOMAIN } from './cast.ts'
import type { Ends } from '../ends.ts'
import type { Patience } from '../wait.ts'
import { within } from '../wait.ts'

export interface AgentProcess {
  readonly child: Child
  readonly socket: string
  readonly adminSocket: string
  /** Where /metrics, /live and /ready are: `127.0.0.1:port`. */
  readonly httpAddress: string
  readonly entriesFile: string
  /** Questions to its admin socket. */
  readonly admin: RpcClient
}

const READY_DEADLINE_MS = 15_000

/** The command line that runs `spindle`: the built one, or the sources when those are what runs now. */
export function spindleCommand(): readonly string[] {
  return [process.execPath, '--max-semi-space-size=2', '--disable-sigusr1', PROGRAM]
}

/** Writes entries.yaml as an operator would; the agent watches it. */
export function writeEntries(file: string, members: readonly Member[]): void {
  const entries = members.map(({ spiffeId, selector }) => ({ spiffeId, selectors: [selector] }))
  writeText(file, stringify({ entries }))
}

/** Resolves when the agent says that it is ready. @throws Error with its log when it does not */
export async function startAgentProcess(
  folder: string,
  members: readonly Member[],
  { ends, ...patience }: Patience & { readonly ends: Ends },
): Promise<AgentProcess> {
  const entriesFile = join(folder, 'entries.yaml')
  const configFile = join(folder, 'agent.yaml')
  writeEntries(entriesFile, members)
  writeText(
    configFile,
    stringify({
      trustDomain: TRUST_DOMAIN,
      socket: 'run/agent.sock',
      admin: { socket: 'run/admin/admin.sock' },
      http: { listen: '127.0.0.1:0' },
      stateDir: 'state',
      authority: { kind: 'embedded' },
      entries: { file: 'entries.yaml' },
      // So that the demo runs on kernels before 6.5 too; a real agent should keep to `required`.
      attestation: { pidfd: 'preferred' },
      log: { level: 'info', format: 'text' },
    }),
  )
  const [command = '', ...args] = spindleCommand()
  const child = await startChild(command, [...args, 'agent', '--config', configFile])
  ends.add(() => child.stop())
  const line = await readyLine(child, patience)
  const addresses = JSON.parse(line) as { socket: string; adminSocket: string; http: string }
  const { socket, adminSocket, http } = addresses
  const admin = createUnixClient(adminSocket)
  ends.add(async () => admin.close())
  return { child, socket, adminSocket, httpAddress: http, entriesFile, admin }
}

async function readyLine(child: Child, patience: Patience): Promise<string> {
  const ready = child.line((text) => text.startsWith('{"ready":true'))
  // It rejects by itself, with the log, when the agent ends.
  const what = 'the agent to say it is ready'
  try {
    return await within(what, ready, { ...patience, withinMs: READY_DEADLINE_MS })
  } catch (thrown) {
    patience.signal.throwIfAborted()
    throw new Error(`the agent did not start\n${child.output().slice(-4000)}`, { cause: thrown })
  }
}
