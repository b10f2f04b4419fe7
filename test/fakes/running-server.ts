/** A Spindle server in this process, with the real clock. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { readServerConfig } from '../../src/config/server/server-config.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { startServer } from '../../src/server/server.ts'
import type { Server } from '../../src/server/server.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { temporaryFolder } from './folder.ts'

export interface RunningServer {
  readonly server: Server
  readonly folder: string
  /** Where agents call. */
  readonly address: { readonly host: string; readonly port: number }
}

/** Of `example.org`, until the test ends. `more` is added to its configuration; `port` 0 is one that is free; `audit` gets its lines. */
export async function runServer(
  t: TestContext,
  {
    folder = temporaryFolder(t),
    port = 0,
    more = '',
    audit = (_line: string): void => undefined,
  } = {},
): Promise<RunningServer> {
  const text = `trustDomain: example.org
listen: 127.0.0.1:${port}
admin: { socket: admin/server.sock }
http: false
stateDir: state
${more}
`
  const { config } = readServerConfig(text, { file: join(folder, 'server.yaml') })
  const server = await startServer(config, {
    clock: systemClock,
    random: systemRandom,
    log: createLog({ level: 'error', format: 'text', stream: process.stderr, clock: systemClock }),
    auditStream: { write: audit },
    version: 'test',
  })
  let isUp = true
  const stop = async (): Promise<void> => {
    isUp = false
    await server.stop()
  }
  t.after(() => (isUp ? stop() : undefined))
  const [host = '', bound = ''] = server.addresses.listen.split(':')
  return { server: { ...server, stop }, folder, address: { host, port: Number(bound) } }
}
