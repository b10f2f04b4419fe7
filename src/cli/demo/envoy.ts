/** A real Envoy: started on one of the bootstrap configurations, asked through its admin interface. */
import { join } from 'node:path'
import type { Child } from '../../os/child.ts'
import { startChild } from '../../os/child.ts'
import { makeFolder, readText, writeText } from '../../os/scratch.ts'

export interface Envoy {
  readonly child: Child
  /** A GET of the admin interface. */
  admin(path: string): Promise<string>
  /** The port a listener is bound to; undefined while it is not active. */
  listenerPort(name: string): Promise<number | undefined>
  /** The value of a counter or gauge; undefined where there is none of that name. */
  stat(name: string): Promise<number | undefined>
  stop(): Promise<void>
}

export interface EnvoyOptions {
  readonly binary: string
  /** The bootstrap configuration, JSON or YAML. */
  readonly config: string
  /** A folder of its own, made here. */
  readonly folder: string
  readonly uid?: number | undefined
  readonly args?: readonly string[]
}

const ADMIN_DEADLINE_MS = 5_000

/** Resolves as soon as the admin interface answers; listeners may still wait for secrets. */
export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const { folder, uid } = options
  makeFolder(folder, uid)
  const config = join(folder, 'envoy.yaml')
  const addressFile = join(folder, 'admin-address')
  writeText(config, options.config)
  const child = await startChild(
    options.binary,
    [
      ...['--config-path', config, '--admin-address-path', addressFile, '--log-level', 'warning'],
      ...(options.args ?? ['--use-dynamic-base-id', '--concurrency', '1']),
    ],
    { cwd: folder, ...(uid !== undefined && { uid, gid: uid }) },
  )
  let ended = false
  void child.ended.then(() => (ended = true))
  let address: string | undefined
  for (const give = Date.now() + 30_000; address === undefined;) {
    if (ended || Date.now() > give) {
      await child.stop()
      throw new Error(`Envoy did not start:\n${child.output().slice(-4000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    address = readText(addressFile)
  }
  const base = `http://${address}`
  const admin = async (path: string): Promise<string> => {
    const answer = await fetch(base + path, { signal: AbortSignal.timeout(ADMIN_DEADLINE_MS) })
    return answer.text()
  }
  return {
    child,
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

interface ListenerStatuses {
  readonly listener_statuses?: readonly {
    readonly name: string
    readonly local_address: { readonly socket_address: { readonly port_value: number } }
  }[]
}
