/** The machine: kernel, rights, clock and limits. */
import { connectionLimits } from '../../agent/connection-limits.ts'
import { fileTime, hasPidfdInfo, isHostPidNamespace, kernelRelease } from '../../os/host/kernel.ts'
import { hasPtrace, maySeeExecutables, openFilesLimit } from '../../os/host/process-limits.ts'
import type { Libc } from '../../os/libc.ts'
import { PROGRAM } from '../../os/host/package-root.ts'
import { createPeerReader } from '../../os/peer-credentials.ts'
import { selfTest } from '../../os/peer-self-test.ts'
import { ERRORS, messageOf } from '../../runtime/errors.ts'
import type { Setting } from './setting.ts'
import type { Verdict } from './verdict.ts'
import { fail, ok, warn } from './verdict.ts'

export async function hostVerdicts(setting: Setting): Promise<readonly Verdict[]> {
  return [
    ...(await kernel(setting)),
    executables(setting),
    pidNamespace(setting),
    clock(setting),
    descriptors(setting),
  ]
}

async function kernel({ libc, config }: Setting): Promise<readonly Verdict[]> {
  const about = { check: 'kernel' }
  const { todo } = ERRORS.peer_credentials_unsupported
  if (libc === undefined)
    return [fail(about, 'its calls cannot be made from here (Linux, and koffi, are needed)', todo)]
  const name = `Linux ${kernelRelease()}`
  const info = hasPidfdInfo(libc) ? 'is there' : 'is not there (Linux 6.13 has it)'
  return [
    await peerCredentials(libc, config?.attestation.pidfd ?? 'required', name),
    ok({ check: 'pidfd info' }, `PIDFD_GET_INFO ${info}; nice to have, and nothing needs it`),
  ]
}

async function peerCredentials(
  libc: Libc,
  wanted: 'required' | 'preferred',
  name: string,
): Promise<Verdict> {
  const about = { check: 'kernel' }
  try {
    await selfTest(createPeerReader({ libc, pidfd: 'required' }))
    return ok(about, `${name}: SO_PEERCRED and SO_PEERPIDFD, tried here, name the calling process`)
  } catch (thrown) {
    const { todo } = ERRORS.peer_credentials_unsupported
    if (wanted === 'required') return fail(about, `${name}: ${messageOf(thrown)}`, todo)
  }
  try {
    const handle = await selfTest(createPeerReader({ libc, pidfd: 'preferred' }))
    return warn(
      about,
      `${name}: no SO_PEERPIDFD; callers are held on to by ${handle}, which a reused pid may fool`,
      'Run Linux 6.5 or later.',
    )
  } catch (thrown) {
    return fail(about, `${name}: ${messageOf(thrown)}`, ERRORS.peer_credentials_unsupported.todo)
  }
}

const EXECUTABLE_KINDS = ['unix:path', 'unix:sha256']

function executables({ registry, running }: Setting): Verdict {
  const about = { check: 'executables' }
  const agent = running?.pid
  const may = agent === undefined ? (maySeeExecutables() ?? hasPtrace('self')) : hasPtrace(agent)
  const who = agent === undefined ? 'this user' : `the agent (process ${agent})`
  if (may === true)
    return ok(about, `${who} may look at the executables of other users (CAP_SYS_PTRACE)`)
  const asked = EXECUTABLE_KINDS.filter((kind) => registry?.kinds.has(kind) === true)
  const todo = 'Run the agent as root, or give it CAP_SYS_PTRACE.'
  const cannot = `${who} may not look at the executables of other users`
  return asked.length > 0
    ? fail(about, `${cannot}, and entries ask for ${asked.join(' and ')}: they match nobody`, todo)
    : warn(about, `${cannot}: unix:path and unix:sha256 cannot be known`, todo)
}

function pidNamespace({ running }: Setting): Verdict {
  const about = { check: 'pid namespace' }
  const isHost = isHostPidNamespace()
  const todo = 'In a container run the agent with hostPID (docker: --pid=host).'
  if (running !== undefined && running.pid === undefined)
    return warn(about, 'the agent that runs is outside of the pid namespace of this command', todo)
  if (isHost === true)
    return ok(about, "this is the machine's own: callers in every container have a pid here")
  const what =
    isHost === undefined ? 'it cannot be read' : "this is not the machine's own, but a container's"
  return warn(
    about,
    `${what}; callers outside of it have pid 0 here and are refused, those inside are known`,
    todo,
  )
}

const DAY_MS = 86_400_000
const LAST_YEAR = 2100

function clock({ clock: time }: Setting): Verdict {
  const about = { check: 'clock' }
  const now = time.now()
  const built = fileTime(PROGRAM) ?? 0
  const shown = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
  const todo = 'Set the clock, and have it kept (chrony, systemd-timesyncd).'
  if (now < built - DAY_MS)
    return fail(about, `${shown} is before this program was installed`, todo)
  if (new Date(now).getUTCFullYear() >= LAST_YEAR)
    return fail(about, `${shown} is far in the future`, todo)
  return ok(
    about,
    `${shown}; whether that is right, and whether it drifts, cannot be told from here`,
  )
}

const FEW_CONNECTIONS = 500

function descriptors({ config, running }: Setting): Verdict {
  const about = { check: 'descriptors' }
  const limit = openFilesLimit(running?.pid ?? 'self')
  if (limit === undefined)
    return warn(about, 'the limit of open files cannot be read', 'See `ulimit -Hn`.')
  const { connections, connectionsPerUid } = connectionLimits(
    config?.limits ?? { connectionsPerUid: undefined },
    limit,
  )
  const whose = running?.pid === undefined ? '' : ' of the agent'
  const told = `the hard limit${whose} is ${limit}: ${connections} connections, ${connectionsPerUid} of one uid`
  const todo = 'Raise it: LimitNOFILE= of the unit, or `ulimit -Hn`.'
  if (connections < FEW_CONNECTIONS) return warn(about, told, todo)
  if (connectionsPerUid > connections)
    return warn(
      { ...about, where: 'limits.connectionsPerUid' },
      `${told}, which is more than there are`,
      todo,
    )
  return ok(about, told)
}
