/** A real Envoy: started on one of the bootstrap configurations, asked through its admin interface. */
import { join } from 'node:path'
import type { Child } from '../../os/child.ts'
import { startChild } from '../../os/child.ts'
import { makeFolder, readText, writeText } from '../../os/scratch.ts'
import { systemClock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Patience } from './wait.ts'
import { waitFor } from './wait.ts'

export interface Envoy {
  readonly child: Child
  /** `http://127.0.0.1:port` */
  readonly adminUrl: string
  /** A GET of the admin interface. */
  admin(path: string): Promise<string>
  /** The port a listener is bound to; undefined while it is not active. */
  listenerPort(name: string): Promise<number | undefined>
  /** The value of a counter or gauge; undefined where there is none of that name. */
  stat(name: string): Promise<number | undefined>
  stop(): Promise<void>
}

export interface EnvoyOptions extends Partial<Patience> {
  readonly binary: string
  /** The bootstrap configuration, JSON or YAML. */
  readonly config: string
  /** A folder of its own, made here. */
  readonly folder: string
  readonly uid?: number | undefined
  readonly args?: readonly string[]
  /** Where it runs, if not here: what is put in front of its command, and how a port of its loopback is asked. */
  readonly host?:
    | {
        readonly through: readonly string[]
        get(port: number, path: string): Promise<{ readonly body: string }>
      }
    | undefined
}

const ADMIN_DEADLINE_MS = 5_000
const START_DEADLINE_MS = 30_000

/** Resolves as soon as the admin interface answers; listeners may still wait for secrets. */
export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const { folder, uid } = options
  makeFolder(folder, uid)
  const config = join(folder, 'envoy.yaml')
  const addressFile = join(folder, 'admin-address')
  writeText(config, options.config)
  const command = [...(options.host?.through ?? []), options.binary]
  const child = await startChild(
    command[0] ?? '',
    [
      ...command.slice(1),
      '--config-path',
      config,
      '--admin-address-path',
      addressFile,
      '--log-level',
      'warning',
      // Without hot restart it leaves nothing in shared memory.
      ...(options.args ?? ['--disable-hot-restart', '--concurrency', '1']),
    ],
    { cwd: folder, ...(uid !== undefined && { uid, gid: uid }) },
  )
  const address = await adminAddress(child, addressFile, options)
  const base = `http://${address}`
  const admin = async (path: string): Promise<string> => {
    if (options.host !== undefined) {
      const port = Number(address.split(':').at(-1))
      return (await options.host.get(port, path)).body
    }
    const answer = await fetch(base + path, { signal: AbortSignal.timeout(ADMIN_DEADLINE_MS) })
    return answer.text()
  }
  return {
    child,
    adminUrl: base,
    admin,
    async listenerPort(name) {
      const listeners = JSON.parse(await admin('/listeners?format=json')) as ListenerStatuses
      return listeners.listener_statuses?.find((listener) => listener.name === name)?.local_address
        .socket_address.port_value
    },
    async stat(name) {
      const line = (await admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`)).trim()
      const value = /: (\d+)$/.exec(line)?.[1]
      return value === undefined ? undefined : Number(value)
    },
    stop: () => child.stop(),
  }
}

/** @throws Error with Envoy's output, once it has been ended, when it does not start */
async function adminAddress(
  child: Child,
  addressFile: string,
  { clock = systemClock, signal }: Partial<Patience>,
): Promise<string> {
  const gone = new AbortController()
  void child.ended.then(() => gone.abort(new Error('it ended')))
  try {
    return await waitFor('its admin interface', async () => readText(addressFile), {
      clock,
      signal: AbortSignal.any([gone.signal, ...(signal === undefined ? [] : [signal])]),
      withinMs: START_DEADLINE_MS,
    })
  } catch (thrown) {
    await child.stop()
    signal?.throwIfAborted()
    throw new Error(`Envoy did not start: ${messageOf(thrown)}\n${child.output().slice(-4000)}`, {
      cause: thrown,
    })
  }
}

interface ListenerStatuses {
  readonly listener_statuses?: readonly {
    readonly name: string
    readonly local_address: { readonly socket_address: { readonly port_value: number } }
  }[]
}
