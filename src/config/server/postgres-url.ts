/** The URL of a PostgreSQL database, as libpq has it, read strictly: what is not understood is a fault and not passed over. */
import { SpindleError } from '../../runtime/errors.ts'

/** What a URL names. */
export interface PostgresUrl {
  /** A name, an address, or the folder of a Unix socket, which begins with `/`. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** Secret. */
  readonly password?: string
  /** undefined: without TLS. */
  readonly tls?: { readonly verify: boolean; readonly caFile?: string }
}

const MODES = ['disable', 'require', 'verify-full'] as const
const PARAMETERS = ['host', 'sslmode', 'sslrootcert']

/**
 * `postgres://user:password@db.example.org:5432/spindle?sslmode=verify-full&sslrootcert=/etc/db-ca.pem`, or a Unix socket as
 * `postgres://user@/spindle?host=/run/postgresql`. `sslmode` unset is `verify-full`; on this host, where nothing can be read on
 * the way, `disable`.
 * @throws SpindleError `config_invalid`, never quoting the URL: it may hold a password
 */
export function parsePostgresUrl(text: string): PostgresUrl {
  const fault = (what: string): SpindleError => new SpindleError('config_invalid', what)
  let url: URL
  try {
    // With an empty host a URL may have no user; the socket's folder is in `host`.
    url = new URL(text.trim().replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=\/)/, '$1socket.invalid'))
  } catch {
    throw fault('is no URL; allowed: postgres://user:password@host:5432/database')
  }
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw fault('begins otherwise than postgres://')
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name))
  if (unknown !== undefined)
    throw fault(`has the parameter ${JSON.stringify(unknown)}; allowed: ${PARAMETERS.join(', ')}`)
  const named = url.hostname === 'socket.invalid' ? undefined : url.hostname.replace(/^\[|\]$/g, '')
  const host = url.searchParams.get('host') ?? named
  if (host === undefined || host === '') throw fault('names no host')
  if (named !== undefined && named !== host) throw fault('names two hosts')
  const database = decoded(url.pathname.slice(1))
  const user = decoded(url.username)
  if (database === undefined || database === '' || database.includes('/'))
    throw fault('names no database: its path is /database')
  if (user === undefined || user === '') throw fault('names no user')
  const password = decoded(url.password)
  if (password === undefined) throw fault('has a password that is not percent-encoded')
  const local = host.startsWith('/') || ['localhost', '127.0.0.1', '::1'].includes(host)
  const mode = url.searchParams.get('sslmode') ?? (local ? 'disable' : 'verify-full')
  if (!MODES.some((known) => known === mode))
    throw fault(`has an sslmode that is none of ${MODES.join(', ')}`)
  const caFile = url.searchParams.get('sslrootcert')
  if (caFile !== null && !caFile.startsWith('/'))
    throw fault('has an sslrootcert that is no absolute path')
  if (mode !== 'disable' && host.startsWith('/')) throw fault('asks for TLS on a Unix socket')
  return {
    host,
    port: url.port === '' ? 5432 : Number(url.port),
    database,
    user,
    ...(password !== '' && { password }),
    ...(mode !== 'disable' && {
      tls: { verify: mode === 'verify-full', ...(caFile !== null && { caFile }) },
    }),
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
