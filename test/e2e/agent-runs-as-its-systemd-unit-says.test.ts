import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { ExplainResponse } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { allowedCalls, readSyscallSets, valueOf } from '../examples/unit-file.ts'
import type { Agent } from './rig/agent.ts'
import {
  AGENT_UID,
  CALLER_UID,
  capabilitiesOf,
  installJob,
  lacks,
  startConfined,
  unit,
} from './rig/confined.ts'
import { createRig, eventually } from './rig/rig.ts'
import { ROOT } from './rig/root.ts'
import type { Rig } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const CAPABILITIES = capabilitiesOf('AmbientCapabilities')
const CALLS = 'calls'

/** A process of another user. Its pid. */
async function startJob(rig: Rig, program: string): Promise<number> {
  const ids = { uid: CALLER_UID, gid: CALLER_UID }
  const job = spawn(program, ['600'], { ...ids, cwd: '/', stdio: 'ignore' })
  await once(job, 'spawn')
  const ended = once(job, 'exit')
  rig.atEnd(async () => {
    job.kill('SIGKILL')
    await ended
  })
  return job.pid ?? 0
}

const explain = (agent: Agent, pid: number): Promise<ExplainResponse> =>
  agent.admin.call(AdminService.method.explain, { pid, name: '' }, { deadlineMs: 20_000 })

test('as another user with no more than its systemd unit gives it, the agent knows callers of other users by their programs', async (t) => {
  if (lacks(t, 'setpriv', 'strace', 'unshare', 'systemd-analyze')) return
  assert.equal(valueOf(unit, 'CapabilityBoundingSet'), valueOf(unit, 'AmbientCapabilities'))
  assert.equal(valueOf(unit, 'NoNewPrivileges'), 'yes')
  const rig = createRig(t)
  const program = installJob(join(rig.folder, 'bin'))
  const hidden = dirname(installJob(join(rig.folder, 'home')))
  const pid = await startJob(rig, program)
  const common = { program, hidden }
  const asUnit = { ...common, name: 'unit', capabilities: CAPABILITIES, trace: CALLS }
  const agent = await startConfined(rig, asUnit)

  await t.test('unix:path and unix:sha256 of another user’s process are known', async () => {
    const { selectors, unknownKinds, notes } = await eventually('the hash is there', async () => {
      const said = await explain(agent, pid)
      return said.selectors.some((one) => one.startsWith('unix:sha256:')) && said
    })
    assert.deepEqual(unknownKinds, [])
    assert(selectors.includes(`unix:path:${program}`), [...selectors, ...notes].join('\n'))
  })

  await t.test('it serves, and its sockets have their modes whatever the umask', async () => {
    const client = createSdsClient(agent.socket)
    rig.atEnd(() => client.close())
    const [secret] = await client.fetch('default')
    assert.equal(secret?.type.case, 'tlsCertificate')
    const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8)
    assert.equal(modeOf(agent.socket), '777')
    assert.equal(modeOf(agent.adminSocket), '600')
    assert.equal(statSync(agent.socket).uid, AGENT_UID)
    assert.equal(await agent.metric('spindle_agent_ready'), 1)
    agent.setEntries([{ spiffeId: 'spiffe://example.org/me', selectors: ['unix:uid:0'] }])
    await eventually('the file is read', async () => {
      return (await agent.metric('spindle_agent_entries')) === 1
    })
  })

  await t.test(
    'it makes no system call, and no kind of socket, that the unit forbids',
    async () => {
      await agent.stop()
      const text = readFileSync(join(dirname(agent.socket), CALLS), 'utf8')
      const found = (pattern: RegExp): readonly string[] => [
        ...new Set(Array.from(text.matchAll(pattern), ([, name = '']) => name)),
      ]
      const made = found(/^\d+ +(?:<\.\.\. )?(\w+)[( ]/gm)
      assert(made.includes('getsockopt') && made.includes('accept4'), 'the agent was traced')
      const { stdout } = spawnSync('systemd-analyze', ['syscall-filter'], { encoding: 'utf8' })
      const allowed = allowedCalls(unit.get('SystemCallFilter') ?? [], readSyscallSets(stdout))
      assert(!allowed.has('mount') && !allowed.has('ptrace'))
      assert.deepEqual(
        made.filter((name) => !allowed.has(name)),
        [],
      )
      const families = valueOf(unit, 'RestrictAddressFamilies').split(' ')
      assert.deepEqual(
        found(/\bsocket\((AF_\w+)/g).filter((family) => !families.includes(family)),
        [],
      )
    },
  )

  await t.test('without the capability the path is not known, and that is said', async () => {
    const without = { ...common, name: 'without', capabilities: '-sys_ptrace' }
    const bare = await startConfined(rig, without)
    const { selectors, unknownKinds, notes } = await explain(bare, pid)
    assert.deepEqual(unknownKinds.toSorted(), ['unix:path', 'unix:sha256'])
    assert(!selectors.some((one) => one.startsWith('unix:path')), selectors.join(' '))
    assert.match(notes.join(), /CAP_SYS_PTRACE/)
  })
})

/** Process 1 of a host: it runs a job of another user, and the agent. */
const HOST = `set -e
program=$1 uid=$2 told=$3; shift 3
mount -t proc proc /proc
setpriv --reuid="$uid" --regid="$uid" --clear-groups "$program" 600 &
echo $! >"$told"
"$@" &
wait $!
`

test('a program that the agent’s own view of the files does not have is known by the host’s', async (t) => {
  if (lacks(t, 'setpriv', 'unshare', 'nsenter')) return
  const rig = createRig(t)
  const program = installJob(join(rig.folder, 'home'))
  const told = join(rig.folder, 'pid')
  const host = [
    'unshare',
    '--pid',
    '--fork',
    '--kill-child=KILL',
    '--mount',
    '--propagation=private',
  ]
  const agent = await startConfined(rig, {
    name: 'host',
    capabilities: CAPABILITIES,
    program,
    hidden: dirname(program),
    through: [...host, '--', 'sh', '-c', HOST, 'sh', program, `${CALLER_UID}`, told],
  })
  const pid = readFileSync(told, 'utf8').trim()
  const main = join(ROOT, process.env['SPINDLE_MAIN'] ?? 'src/main.ts')
  const asked = ['sds', 'explain', '--pid', pid, '-o', 'json', '--admin-socket', agent.adminSocket]
  // Of another pid namespace the agent takes no calls.
  const inside = `--pid=/proc/${agent.child.pid}/ns/pid_for_children`
  const said = await eventually('the program is looked up', () => {
    const command = [inside, process.execPath, main, ...asked]
    const { stdout, stderr, status } = spawnSync('nsenter', command, { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    const answer = JSON.parse(stdout) as { selectors: readonly string[]; notes?: readonly string[] }
    return answer.selectors.some((one) => one.startsWith('unix:sha256:')) && answer
  })
  assert(said.selectors.includes(`unix:path:${program}`), JSON.stringify(said))
})
