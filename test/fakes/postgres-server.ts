import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startChild } from '../../src/os/child.ts'
import type { Child } from '../../src/os/child.ts'
import { createAccountIds } from '../../src/os/process/account-ids.ts'
import type { PostgresTarget } from '../../src/store/postgres/target.ts'

const PROGRAMS = '/usr/lib/postgresql'
const PORT = 5432

/** A server of a test's own, on a Unix socket alone. */
export interface PostgresServer {
  /** A new database in it. */
  database(options?: string): Promise<PostgresTarget>
  /** What psql answers, without decoration. */
  query(sql: string, database?: string): string
  /** A session that goes on; `started` once the statements before the last one are done. */
  inBackground(
    sql: string,
    database: string,
  ): { readonly started: Promise<unknown>; stop(): Promise<void> }
  readonly child: Child
  readonly socket: string
  start(): Promise<void>
  stop(signal?: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>
}

/** The folder of the newest server's programs; the test is skipped without, and in CI it fails. */
function programsFor(t: TestContext): string | undefined {
  const versions = existsSync(PROGRAMS) ? readdirSync(PROGRAMS).map(Number) : []
  const newest = versions
    .toSorted((a, b) => b - a)
    .find((version) => existsSync(`${PROGRAMS}/${version}/bin/postgres`))
  if (newest !== undefined) return `${PROGRAMS}/${newest}/bin`
  assert.notEqual(process.env['CI'], 'true', 'no PostgreSQL: .ci/run installs it')
  t.skip('needs PostgreSQL (Debian: apt-get install postgresql)')
  return undefined
}

/**
 * @param folder where its data is to be; undefined: a folder that is removed by `remove`
 * @param settings lines of postgresql.conf
 */
export async function startPostgres(
  t: TestContext,
  settings: readonly string[] = [],
): Promise<{ readonly server: PostgresServer; readonly remove: () => Promise<void> } | undefined> {
  const programs = programsFor(t)
  if (programs === undefined) return undefined
  // It refuses to run as root.
  const uid = process.getuid?.() === 0 ? createAccountIds('').userId('postgres') : undefined
  const folder = mkdtempSync(join(tmpdir(), 'spindle-pg-'))
  const owner = uid === undefined ? {} : { uid, gid: uid }
  if (uid !== undefined) chownSync(folder, uid, uid)
  const data = join(folder, 'data')
  const init = ['-D', data, '-U', 'spindle', '-A', 'trust', '--locale=C', '-E', 'UTF8', '--no-sync']
  const made = spawnSync(join(programs, 'initdb'), init, { ...owner, cwd: '/', encoding: 'utf8' })
  assert.equal(made.status, 0, made.stdout + made.stderr)
  const lines = [
    `listen_addresses = ''`,
    `port = ${PORT}`,
    `unix_socket_directories = '${folder}'`,
    // What a killed server left in the kernel is there all the same.
    'fsync = off',
    'shared_buffers = 16MB',
    'max_connections = 50',
    ...settings,
  ]
  appendFileSync(join(data, 'postgresql.conf'), lines.join('\n') + '\n')
  const socket = join(folder, `.s.PGSQL.${PORT}`)
  const target = (database: string): PostgresTarget => ({
    host: folder,
    port: PORT,
    database,
    user: 'spindle',
  })
  let child: Child | undefined
  let count = 0
  const psql = (sql: readonly string[], database: string): string[] => {
    const place = ['-h', folder, '-p', String(PORT), '-U', 'spindle', '-d', database]
    return ['-X', '-At', '-v', 'ON_ERROR_STOP=1', ...place, ...sql.flatMap((one) => ['-c', one])]
  }
  const query = (sql: string, database = 'postgres'): string => {
    const options = { cwd: '/', encoding: 'utf8', timeout: 20_000 } as const
    const ran = spawnSync(join(programs, 'psql'), psql([sql], database), options)
    assert.equal(ran.status, 0, ran.stderr)
    return ran.stdout.trim()
  }
  const server: PostgresServer = {
    query,
    inBackground(sql, database) {
      const statements = sql.split('; ')
      const last = statements.pop() ?? ''
      const session = startChild(
        join(programs, 'psql'),
        psql([...statements, `\\echo started`, last], database),
        { cwd: '/' },
      )
      return {
        started: session.then((client) => client.line((line) => line === 'started')),
        async stop() {
          // It goes on in the server without its client.
          query(
            `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'psql' and datname = '${database}'`,
          )
          await (await session).stop()
        },
      }
    },
    socket,
    get child() {
      assert.ok(child)
      return child
    },
    database(options = '') {
      const name = `db${count++}`
      query(`create database ${name} ${options}`)
      return Promise.resolve(target(name))
    },
    async start() {
      // After a kill, what it had started may need a moment to see that it is gone.
      for (let attempt = 0; ; attempt++) {
        const next = await startChild(join(programs, 'postgres'), ['-D', data], {
          ...owner,
          cwd: '/',
        })
        child = next
        const ended = next.ended.then(() => false)
        if (await Promise.race([ready(socket, next), ended])) return
        assert(attempt < 100, next.output())
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async stop(signal = 'SIGINT') {
      child?.signal(signal)
      await child?.ended
      child = undefined
    },
  }
  await server.start()
  return {
    server,
    async remove() {
      await server.stop('SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** It is up when it answers the start of a session, with whatever. */
async function ready(socket: string, child: Child): Promise<boolean> {
  const until = performance.now() + 20_000
  while (performance.now() < until) {
    if (await accepts(socket)) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.fail(`PostgreSQL does not come up: ${child.output()}`)
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const user = 'user\0spindle\0database\0postgres\0\0'
    const hello = Buffer.alloc(8 + user.length)
    hello.writeInt32BE(hello.length, 0)
    hello.writeInt32BE(196_608, 4)
    hello.write(user, 8)
    const client = connect(path, () => client.write(hello))
    client.setTimeout(2_000, () => client.destroy())
    // R: the login is through. E: it is starting still.
    client.once('data', (data) => {
      resolve(data.toString('latin1', 0, 1) === 'R')
      client.destroy()
    })
    client.once('error', () => resolve(false))
    client.once('close', () => resolve(false))
  })
}
