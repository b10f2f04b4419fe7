import { resolve } from 'node:path'
import { StoreBackup } from '#spindle/server/v1/backup_pb.js'
import type { Io } from '../../io.ts'
import { rendered, withServer } from '../ask.ts'
import type { ServerOptions } from '../options.ts'
import { lines } from '../text.ts'

/** Of a large store on a slow disk. */
const DEADLINE_MS = 600_000

export async function backUpStore(io: Io, path: string, options: ServerOptions): Promise<void> {
  const method = StoreBackup.method.backup
  const value = await withServer(
    options,
    (server) => server.call(method, { path: resolve(path) }),
    DEADLINE_MS,
  )
  const text = (): string =>
    lines(
      `store copied to ${value.path}`,
      'The keys of the authorities are not in it: they are in the stateDir of the server, of which there is to be a copy too.',
    )
  io.out(rendered(options.output, { schema: method.output, value }, text))
}
