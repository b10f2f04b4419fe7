/** An agent as systemd would start it by the unit of examples/systemd, as far as that can be done without systemd. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { readUnit, valueOf } from '../../examples/unit-file.ts'
import type { Agent } from './agent.ts'
import { ROOT } from './root.ts'
import type { Rig } from './rig.ts'

export const unit = readUnit(
  readFileSync(join(ROOT, 'examples/systemd/spindle-agent.service'), 'utf8'),
)
export const AGENT_UID = 61_500
export const CALLER_UID = 61_600

/**
 * A mount namespace in which all is read-only but a few folders, and one of other users' is empty (ProtectSystem=,
 * ProtectHome=). The checkout stays where it is, also where other users have no way to it.
 */
const CONFINE = `set -e
run=$1 state=$2 hidden=$3 checkout=$4 reach=$5; shift 5
for writable in "$run" "$state" "$TMPDIR"; do mount --bind "$writable" "$writable"; done
if [ -n "$reach" ]; then
  mount --bind "$checkout" "$hidden"
  mount -t tmpfs -o mode=0755 tmpfs "$reach"
  mkdir -p "$checkout"
  mount --move "$hidden" "$checkout"
fi
mount -t tmpfs tmpfs "$hidden"
mount -o remount,bind,ro /
exec "$@"
`

export interface Confinement {
  /** Of the folder in the rig's. */
  readonly name: string
  /** As `setpriv` takes them: `+sys_ptrace`. */
  readonly capabilities: string
  /** What the process runs that is to be known. */
  readonly program: string
  /** A folder that the agent finds empty. */
  readonly hidden: string
  /** Put in front of all. */
  readonly through?: readonly string[]
  /** Notes every system call of the agent in this file of its folder for the socket. */
  readonly trace?: string
}

export async function startConfined(rig: Rig, wanted: Confinement): Promise<Agent> {
  const { name, capabilities, program, hidden, through = [], trace } = wanted
  const folder = join(rig.folder, name)
  const run = join(folder, 'run')
  const state = join(folder, 'state')
  // PrivateTmp=: the test's own folder is in the real one.
  const temporary = join(folder, 'tmp')
  const mode = (key: string): number => Number.parseInt(valueOf(unit, key), 8)
  mkdirSync(folder, { mode: 0o755 })
  mkdirSync(run, { mode: mode('RuntimeDirectoryMode') })
  mkdirSync(state, { mode: mode('StateDirectoryMode') })
  mkdirSync(temporary)
  for (const path of [run, state, temporary]) chownSync(path, AGENT_UID, AGENT_UID)
  const sha256 = createHash('sha256').update(readFileSync(program)).digest('hex')
  const job = [`unix:uid:${CALLER_UID}`, `unix:path:${program}`, `unix:sha256:${sha256}`]
  const uids = [`--reuid=${AGENT_UID}`, `--regid=${AGENT_UID}`, '--clear-groups']
  return rig.agent({
    entries: [
      { spiffeId: 'spiffe://example.org/me', selectors: ['unix:uid:0'] },
      { spiffeId: 'spiffe://example.org/job', selectors: job },
    ],
    config: {
      socket: join(run, 'agent.sock'),
      admin: { socket: join(run, 'admin/admin.sock') },
      stateDir: state,
    },
    env: { TMPDIR: temporary },
    through: [
      through,
      ['unshare', '--mount', '--propagation=private', '--', 'sh', '-c', CONFINE, 'sh'],
      [run, state, hidden, ROOT, barrier()],
      ['setpriv', ...uids, '--no-new-privs', `--bounding-set=-all,${capabilities}`],
      [`--inh-caps=-all,${capabilities}`, `--ambient-caps=-all,${capabilities}`],
      ['sh', '-c', `umask ${valueOf(unit, 'UMask')}; exec "$@"`, 'sh'],
      // The agent keeps its place as our child; who traces it is a grandchild.
      trace === undefined ? [] : ['strace', '-D', '-f', '-qq', '-o', join(run, trace)],
    ].flat(),
  })
}

/** A folder at the top that keeps other users from the checkout; '' where nothing does. */
function barrier(): string {
  const test = [`--reuid=${AGENT_UID}`, '--clear-groups', 'test', '-x', process.execPath]
  return spawnSync('setpriv', test).status === 0 ? '' : `/${ROOT.split('/')[1]}`
}

/** `CAP_SYS_PTRACE` → `+sys_ptrace`. */
export function capabilitiesOf(key: string): string {
  const names = valueOf(unit, key).split(/\s+/)
  return names.map((name) => name.replace('CAP_', '+').toLowerCase()).join(',')
}

/** A program of its own that everyone may run, and does nothing. Its path. */
export function installJob(folder: string): string {
  const program = join(folder, 'job')
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o755)
  copyFileSync(realpathSync('/usr/bin/sleep'), program)
  chmodSync(program, 0o755)
  return program
}

/** Skips the test where something is missing; fails it in CI. */
export function lacks(t: TestContext, ...tools: readonly string[]): boolean {
  const missing = tools.find((tool) => spawnSync(tool, ['--version']).error !== undefined)
  const why =
    process.getuid?.() !== 0 ? 'needs root' : missing === undefined ? '' : `needs ${missing}`
  if (why === '') return false
  assert.notEqual(process.env['CI'], 'true', why)
  t.skip(why)
  return true
}
