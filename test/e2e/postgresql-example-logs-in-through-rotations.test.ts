/** The files of examples/postgresql with a real server and psql. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { parse } from 'yaml'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Child } from '../../src/os/child.ts'
import { startChild } from '../../src/os/child.ts'
import { createAccountIds } from '../../src/os/process/account-ids.ts'
import type { EntrySettings } from './rig/agent.ts'
import { lacks } from './rig/confined.ts'
import { copyExample, filesReady, startFiles } from './rig/files.ts'
import type { FreeAddress } from './rig/free-address.ts'
import { freeAddress } from './rig/free-address.ts'
import { startLoad } from './rig/load.ts'
import type { Rig } from './rig/rig.ts'
import { createRig, eventually, write } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'

const BINARIES = '/usr/lib/postgresql'
const APP_UID = 65_534
const INTRUDER_UID = 65_533

/** The folder of the newest server's programs; the test is skipped without, and in CI it fails. */
function serverPrograms(t: TestContext): string | undefined {
  const versions = existsSync(BINARIES) ? readdirSync(BINARIES).map(Number) : []
  const newest = versions
    .toSorted((a, b) => b - a)
    .find((version) => existsSync(`${BINARIES}/${version}/bin/postgres`))
  if (newest !== undefined) return `${BINARIES}/${newest}/bin`
  assert.notEqual(process.env['CI'], 'true', 'no PostgreSQL: .ci/run installs it')
  t.skip('needs PostgreSQL (Debian: apt-get install postgresql)')
  return undefined
}

interface Ran {
  readonly code: number | null
  readonly out: string
}

function run(
  program: string,
  args: readonly string[],
  options: { readonly uid: number; readonly env?: Readonly<Record<string, string>> },
): Promise<Ran> {
  const { uid, env = {} } = options
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      uid,
      gid: uid,
      cwd: '/',
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    })
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, out }))
  })
}

interface Server {
  readonly address: FreeAddress
  /** Of its Unix socket, as the environment of a client. */
  readonly local: Readonly<Record<string, string>>
  start(): Promise<Child>
}

/** A cluster as Debian's, with the example's files in the places of its own. */
async function placeServer(rig: Rig, programs: string, uid: number): Promise<Server> {
  const folder = join(rig.folder, 'postgresql')
  mkdirSync(folder)
  chownSync(folder, uid, uid)
  const address = await freeAddress()
  const data = join(folder, 'data')
  const args = ['-D', data, '-U', 'postgres', '-A', 'peer', '--locale=C', '-E', 'UTF8', '--no-sync']
  const made = await run(join(programs, 'initdb'), args, { uid })
  assert.equal(made.code, 0, made.out)
  const place = (name: string, changes: Readonly<Record<string, string>> = {}): string =>
    copyExample(`postgresql/${name}`, join(rig.folder, name), changes)
  const tls = place('spindle.conf', { '/run/spindle-files/postgres': join(rig.folder, 'db') })
  const settings = `listen_addresses = '${address.host}'
port = ${address.port}
unix_socket_directories = '${folder}'
hba_file = '${place('pg_hba.conf')}'
ident_file = '${place('pg_ident.conf')}'
fsync = off
include '${tls}'
`
  write(join(data, 'postgresql.conf'), settings)
  return {
    address,
    local: { PGHOST: folder, PGPORT: String(address.port) },
    async start() {
      const child = await startChild(join(programs, 'postgres'), ['-D', data], {
        uid,
        gid: uid,
        cwd: '/',
      })
      rig.atEnd(async () => {
        // Fast: it does not wait for clients.
        child.signal('SIGINT')
        await child.stop()
      })
      return child
    },
  }
}

/** Serial number and issuer of the certificate the server shows, asked as libpq asks (SSLRequest). */
function shown({ host, port }: FreeAddress): Promise<{ serial: string; issuer: string }> {
  return new Promise((resolve, reject) => {
    const plain = connect(port, host, () => {
      plain.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
    })
    plain.setTimeout(20_000, () => plain.destroy(new Error('timeout')))
    plain.once('error', reject)
    plain.once('data', (answer) => {
      if (answer.toString() !== 'S') return reject(new Error('no TLS'))
      const secure = connectTls({ socket: plain, rejectUnauthorized: false }, () => {
        const { serialNumber, issuer } = secure.getPeerCertificate()
        secure.destroy()
        resolve({ serial: serialNumber, issuer: JSON.stringify(issuer) })
      })
      secure.once('error', reject)
    })
  })
}

test('PostgreSQL by its example: clients log in by certificate through rotations, and nobody else does', async (t) => {
  if (lacks(t, 'psql')) return
  const programs = serverPrograms(t)
  if (programs === undefined) return
  const uid = createAccountIds('').userId('postgres')
  assert(uid !== undefined, 'the package makes the user postgres')
  const rig = createRig(t)
  const text = readFileSync(join(ROOT, 'examples/postgresql/entries.yaml'), 'utf8')
  const { entries } = parse(text.replace('unix:user:app', `unix:uid:${APP_UID}`)) as {
    entries: readonly EntrySettings[]
  }
  const intruder = {
    spiffeId: 'spiffe://example.org/intruder',
    selectors: [`unix:uid:${INTRUDER_UID}`],
    dnsNames: ['intruder.example.org'],
  }
  const agent = await rig.agent({
    entries: [...entries, intruder],
    // Short, and yet longer than a machine stands still. A CA lives for two certificates at least.
    config: { svid: { ttl: '20s' }, authority: { kind: 'embedded', caTtl: '40s' } },
  })
  const server = await placeServer(rig, programs, uid)
  const { host: hostaddr, port } = server.address

  /** The files of a user, kept up to date by its own `spindle files`. */
  const keep = async (
    example: string,
    to: { name: string; from: string; uid: number },
  ): Promise<Child> => {
    const folder = join(rig.folder, to.name)
    mkdirSync(folder)
    chownSync(folder, to.uid, to.uid)
    const config = copyExample(example, join(rig.folder, `${to.name}.yaml`), { [to.from]: folder })
    const env = { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}`, ...server.local }
    const child = await startFiles(rig, { config, uid: to.uid, env })
    await filesReady(child)
    return child
  }
  const client = { from: '/run/spindle-files/app', uid: APP_UID }
  const files = [
    await keep('postgresql/files.yaml', { name: 'db', from: '/run/spindle-files/postgres', uid }),
    await keep('postgresql/files-client.yaml', { ...client, name: 'app' }),
    await keep('postgresql/files-client.yaml', { ...client, name: 'intruder', uid: INTRUDER_UID }),
  ]
  const postgres = await server.start()
  const env = { ...server.local }
  const asAdmin = (sql: string): Promise<Ran> =>
    run('psql', ['-X', '-d', 'postgres', '-U', 'postgres', '-c', sql], { uid, env })
  await eventually('the server is up', async () => (await asAdmin('SELECT 1')).code === 0)
  assert.equal((await asAdmin('CREATE ROLE app LOGIN')).code, 0)

  /** psql as the README has it. */
  const login = (
    sql: string,
    who: { name?: string; uid?: number; host?: string; certificate?: boolean } = {},
  ): Promise<Ran> => {
    const { name = 'app', uid: own = APP_UID, host = 'db.example.org', certificate = true } = who
    const svid = realpathSync(join(rig.folder, name, 'svid/..data'))
    const target = `host=${host} hostaddr=${hostaddr} port=${port} dbname=postgres user=app`
    const trust = `sslmode=verify-full sslrootcert=${svid}/ca.pem`
    const identity = certificate
      ? `sslcert=${svid}/cert.pem sslkey=${svid}/key.pem`
      : 'sslcert=/nonexistent'
    const args = ['-X', '-At', '-c', sql, `${target} ${trust} ${identity}`]
    return run('psql', args, { uid: own })
  }

  await t.test('the client is the role that the map gives it', async () => {
    assert.deepEqual(await login('SELECT current_user'), { code: 0, out: 'app\n' })
    const { out } = await login('SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
    assert.match(out, /CN=app\.example\.org/)
  })

  await t.test(
    'no certificate, or one that is not in the map, does not get in; nor is another host taken for the server',
    async () => {
      const none = await login('SELECT 1', { certificate: false })
      assert.match(none.out, /FATAL: {2}connection requires a valid client certificate/)
      const other = await login('SELECT 1', { name: 'intruder', uid: INTRUDER_UID })
      assert.match(other.out, /FATAL: {2}certificate authentication failed for user "app"/)
      const host = await login('SELECT 1', { host: 'other.example.org' })
      assert.match(host.out, /does not match host name "other\.example\.org"/)
      for (const { code } of [none, other, host]) assert.equal(code, 2)
    },
  )

  await t.test(
    'through rotations every login succeeds, and an open connection goes on',
    async () => {
      const issuers = new Set<string>()
      const load = startLoad(
        async () => {
          const { code, out } = await login('SELECT current_user')
          return { status: code === 0 ? 200 : 500, body: out }
        },
        { loops: 1, pauseMs: 50 },
      )
      const open = login('SELECT pg_sleep(6)')
      let { serial } = await shown(server.address)
      for (let round = 0; round < 3; round++) {
        await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 20_000 })
        serial = await eventually('the server shows another certificate', async () => {
          const now = await shown(server.address)
          return now.serial !== serial && now.serial
        })
        // Of the generations of a folder the one before the last is gone: a login that has just begun still reads it.
        const begun = load.answered
        await eventually('a login since then', () => load.answered > begun + 1)
      }
      await eventually(
        'certificates of three CAs',
        async () => {
          issuers.add((await shown(server.address)).issuer)
          await new Promise((resolve) => setTimeout(resolve, 100))
          return issuers.size > 2
        },
        90_000,
      )
      assert.equal((await open).code, 0)
      await load.stop()
      assert.deepEqual(load.failures, [])
      assert(load.answered > 20, `${load.answered}`)
      t.diagnostic(`${load.answered} logins, ${issuers.size} CAs`)
    },
  )

  const said = postgres.output() + files.map((child) => child.output()).join('')
  assert.doesNotMatch(said, /PRIVATE KEY|could not load|SSL configuration was not reloaded/)
  assert.match(files[0]!.output(), /"line":"\(1 row\)"/, 'what psql said is in the log')
})
