/** A database of a PostgreSQL server. */
export interface PostgresTarget {
  /** A name, an address, or the folder of a Unix socket, which begins with `/`. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** Never in a message, nor in the log. */
  readonly password?: string
  /** undefined: without TLS. */
  readonly tls?: {
    /** Whether certificate and name are checked. */
    readonly verify: boolean
    /** PEM; undefined: those the system trusts. */
    readonly ca?: string
  }
}

/** `db.example.org:5432/spindle`, for messages. */
export function placeOf({ host, port, database }: PostgresTarget): string {
  const name = host.includes(':') ? `[${host}]` : host
  return `${name}:${port}/${database}`
}
