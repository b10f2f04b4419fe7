import type { AfterConfig, FilesConfig } from '../config/files/files-config.ts'
import { readFilesConfig } from '../config/files/files-config.ts'
import { actionOf } from '../files/act.ts'
import type { After } from '../files/after.ts'
import { createAfter } from '../files/after.ts'
import type { KeptFiles } from '../files/keep-files.ts'
import { keepFiles } from '../files/keep-files.ts'
import { writtenOnce } from '../files/once.ts'
import { pathsOf } from '../files/places.ts'
import { createAccountIds } from '../os/process/account-ids.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { keepAlive } from '../runtime/keep-alive.ts'
import { systemRandom } from '../runtime/random.ts'
import type { Endpoint } from '../spiffe/endpoint.ts'
import { parseEndpoint } from '../spiffe/endpoint.ts'
import type { Log } from '../telemetry/log.ts'
import { createLog } from '../telemetry/log.ts'
import type { WorkloadClient } from '../workload/client.ts'
import { createWorkloadClient } from '../workload/client.ts'
import type { Io } from './io.ts'
import { DEFAULT_AGENT_SOCKET } from './options.ts'
import { readFile } from './read-file.ts'

/** `timeout` in ms. */
export interface FilesArguments {
  readonly config: string
  readonly once?: true
  readonly check?: true
  readonly after?: true
  readonly timeout: number
}

const TOOLS = { clock: systemClock, random: systemRandom }
const uid = (): number => process.geteuid?.() ?? 0

/**
 * Resolves when it has been told to end and no item is without its identity, with `--once` when everything is written.
 * @throws SpindleError as what went wrong
 */
export async function runFiles(io: Io, options: FilesArguments): Promise<void> {
  const { config: file } = options
  const config = readFilesConfig(readFile(file), { file })
  if (options.check === true) {
    io.out(`${file} is valid\n`)
    return
  }
  if (options.once !== true && options.after === true)
    throw new SpindleError('usage', '--after goes with --once; without it, a change always does it')
  const stream = { write: (line: string) => io.err(line) }
  const log = createLog({ ...config.log, stream, clock: systemClock })
  const endpoint = config.socket ?? endpointOf(io)
  const client = createWorkloadClient(endpoint, TOOLS)
  const release = keepAlive()
  try {
    if (options.once === true) await once({ config, client, log }, options)
    else await serve({ config, client, log }, io)
  } finally {
    client.close()
    release()
  }
}

/** @throws SpindleError `endpoint_invalid` */
function endpointOf({ env }: Io): Endpoint {
  const named = env['SPIFFE_ENDPOINT_SOCKET']
  if (named === undefined || named === '') return { kind: 'unix', path: DEFAULT_AGENT_SOCKET }
  return parseEndpoint(named)
}

interface Parts {
  readonly config: FilesConfig
  readonly client: WorkloadClient
  readonly log: Log
}

function keep({ config, client, log }: Parts, changed: () => void): KeptFiles {
  const ids = createAccountIds('')
  return keepFiles(config, { ...TOOLS, client, log, uid: uid(), ids, changed })
}

async function once(parts: Parts, { timeout, after }: FilesArguments): Promise<void> {
  let hasChanged = false
  const kept = keep(parts, () => (hasChanged = true))
  // Whoever waits for it hears of it; from here on it is nobody's.
  kept.ended.catch(() => undefined)
  try {
    await writtenOnce(kept, { clock: systemClock, timeoutMs: timeout })
  } finally {
    kept.close()
  }
  const action = parts.config.after
  if (after === true && action !== undefined && hasChanged)
    await actionOf(action, { ...TOOLS, log: parts.log, uid: uid() })(new AbortController().signal)
}

async function serve(parts: Parts, io: Io): Promise<void> {
  const { config, log } = parts
  const after = config.after && startAfter(config.after, log)
  const kept = keep(parts, () => after?.changed())
  const stops = [
    io.onSignal('SIGHUP', () => kept.check()),
    ...kept.items.map(({ state }) => state.subscribe(() => tellReady())),
  ]
  let isReady = false
  const tellReady = (): void => {
    if (isReady || !kept.items.every(({ state }) => state.current.written)) return
    isReady = true
    io.out(`${JSON.stringify({ ready: true, pid: process.pid, files: pathsOf(config) })}\n`)
  }
  const told = new Promise<string>((resolve) => {
    stops.push(io.onSignal('SIGTERM', () => resolve('SIGTERM')))
    stops.push(io.onSignal('SIGINT', () => resolve('SIGINT')))
  })
  try {
    const signal = await Promise.race([told, kept.ended.then(() => '')])
    log.info({ signal }, 'stopping')
  } catch (thrown) {
    log.error({ error: messageOf(thrown) }, 'the agent cannot give what is asked for')
    throw thrown
  } finally {
    for (const stop of stops) stop()
    kept.close()
    await after?.close()
  }
  const denied = kept.items.map(({ state }) => state.current.fault)
  const fault = denied.find((one) => one?.code === 'no_identity')
  if (fault !== undefined) throw fault
}

function startAfter(config: AfterConfig, log: Log): After {
  const act = actionOf(config, { clock: systemClock, log, uid: uid() })
  return createAfter({ ...TOOLS, act, debounceMs: config.debounceMs, log })
}
