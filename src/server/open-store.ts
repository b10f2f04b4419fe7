/** The store a configuration asks for. */
import { dirname } from 'node:path'
import { parsePostgresUrl } from '../config/server/postgres-url.ts'
import type { StoreConfig } from '../config/server/server-config.ts'
import { readWithMode, readLimited } from '../os/files.ts'
import type { Libc } from '../os/libc.ts'
import { holdFolder } from '../os/state-folder.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { openStore } from '../store/open.ts'
import type { StoreOptions } from '../store/open.ts'
import type { Store } from '../store/port.ts'

const MOST_URL_BYTES = 8192
const MOST_CA_BYTES = 1024 * 1024
const OTHERS = 0o007

interface Surroundings extends Omit<StoreOptions, 'engine'> {
  readonly uid: number
  readonly libc: Libc
  /** Held by this server. */
  readonly stateDir: string
}

/** @throws SpindleError as `openStore`, and `config_invalid` for a file that cannot be used, or that another server has */
export async function openConfiguredStore(
  config: StoreConfig,
  { uid, libc, stateDir, ...parts }: Surroundings,
): Promise<Store> {
  if (config.kind === 'postgres')
    return await openStore({ ...parts, engine: { kind: 'postgres', target: targetOf(config) } })
  // Nobody hears of what another server changes in a file: of a ban, say.
  const how = { uid, key: 'store.file', beside: stateDir }
  const folder = holdFolder(libc, dirname(config.file), how)
  try {
    const store = await openStore({ ...parts, engine: { kind: 'sqlite', path: config.file } })
    return {
      ...store,
      async close() {
        await store.close()
        folder.close()
      },
    }
  } catch (thrown) {
    folder.close()
    throw thrown
  }
}

function targetOf({ url, urlFile }: Extract<StoreConfig, { kind: 'postgres' }>) {
  const place = urlFile === undefined ? 'store.url' : `store.urlFile ${urlFile}`
  const attempt = <T>(read: () => T): T => {
    try {
      return read()
    } catch (thrown) {
      throw new SpindleError('config_invalid', `${place}: ${messageOf(thrown)}`)
    }
  }
  const text = url ?? attempt(() => secretText(urlFile ?? ''))
  const { tls, ...target } = attempt(() => parsePostgresUrl(text))
  if (tls === undefined) return target
  const { verify, caFile } = tls
  const ca = caFile && attempt(() => readLimited(caFile, MOST_CA_BYTES).toString('utf8'))
  return { ...target, tls: { verify, ...(ca !== undefined && { ca }) } }
}

function secretText(path: string): string {
  const { content, mode } = readWithMode(path, MOST_URL_BYTES)
  if ((mode & OTHERS) !== 0) throw new Error('others may read it; allowed: 0600 or 0640')
  return content.toString('utf8')
}
