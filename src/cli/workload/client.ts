import { resolve } from 'node:path'
import { parseDuration } from '../../config/scalars.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { Endpoint } from '../../spiffe/endpoint.ts'
import { parseEndpoint } from '../../spiffe/endpoint.ts'
import type { WorkloadClient } from '../../workload/client.ts'
import { createWorkloadClient } from '../../workload/client.ts'
import type { Format, Io } from '../io.ts'
import { DEFAULT_AGENT_SOCKET } from '../options.ts'
import { socketOfInstance } from '../server-socket.ts'

/** What every command of the group has. */
export interface AskWorkload {
  readonly socket?: string
  /** What stands for `%i` in the template of the environment, of SPIRE's variables. */
  readonly instance?: string
  readonly timeout: string
  readonly output: Format
}

/** Asks, and prints beside the result what was passed over in it. */
export async function askWorkload<T>(
  io: Io,
  options: AskWorkload,
  ask: (client: WorkloadClient) => Promise<T>,
): Promise<T> {
  const client = createWorkloadClient(endpointOf(io.env, options), {
    deadlineMs: timeoutMs(options.timeout),
  })
  try {
    return await ask(client)
  } finally {
    client.close()
  }
}

export function tellNotes(io: Pick<Io, 'err'>, notes: readonly string[]): void {
  for (const note of notes) io.err(`spindle: ${note}\n`)
}

const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/
const ENV = 'SPIFFE_ENDPOINT_SOCKET'
/** What SPIRE's commands read. */
const SPIRES = 'SPIRE_AGENT_PUBLIC_SOCKET'
const TEMPLATE = 'SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE'

/**
 * What is named, else what the environment names, else the agent of this host (SPIFFE_Workload_Endpoint 4).
 * @throws SpindleError `endpoint_invalid`
 */
export function endpointOf(
  env: Io['env'],
  { socket: named, instance }: Pick<AskWorkload, 'socket' | 'instance'>,
): Endpoint {
  if (named !== undefined)
    return SCHEME.test(named)
      ? endpointFrom('--socket', named)
      : { kind: 'unix', path: resolve(named) }
  if (instance !== undefined)
    return { kind: 'unix', path: resolve(socketOfInstance(instance, TEMPLATE, env)) }
  const fromEnv = env[ENV] ?? ''
  if (fromEnv !== '') return endpointFrom(ENV, fromEnv)
  const path = env[SPIRES] ?? ''
  return { kind: 'unix', path: path === '' ? DEFAULT_AGENT_SOCKET : resolve(path) }
}

function endpointFrom(place: string, uri: string): Endpoint {
  try {
    return parseEndpoint(uri)
  } catch (thrown) {
    if (!(thrown instanceof SpindleError)) throw thrown
    throw new SpindleError(thrown.code, `${place}: ${thrown.message}`)
  }
}

/** @throws SpindleError `usage` */
function timeoutMs(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > 0) return ms
  throw new SpindleError(
    'usage',
    `--timeout ${text}: allowed: a whole number above 0 and a unit (10s, 1m)`,
  )
}
