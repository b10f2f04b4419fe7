/** The agent that runs, asked over its admin socket. */
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import { probeSocket } from '../../os/host/probe-socket.ts'
import type { Libc } from '../../os/libc.ts'
import { createPeerReader } from '../../os/peer-credentials.ts'
import type { Clock } from '../../runtime/clock.ts'
import { codeOf, messageOf } from '../../runtime/errors.ts'
import { createUnixClient } from '../../wire/client.ts'
import { VERSION } from '../version.ts'
import { span } from '../output.ts'
import { life } from './files.ts'
import type { RunningAgent } from './setting.ts'
import type { Verdict } from './verdict.ts'
import { fail, ok, warn } from './verdict.ts'

const ANSWER_MS = 5_000

export async function lookForAgent(
  adminSocket: string,
  libc: Libc | undefined,
): Promise<{ readonly running: RunningAgent | undefined; readonly verdicts: readonly Verdict[] }> {
  const about = { check: 'agent', where: adminSocket }
  const client = createUnixClient(adminSocket)
  try {
    const { method } = AdminService
    const status = await client.call(method.getStatus, {}, { deadlineMs: ANSWER_MS })
    const authority = await client.call(method.getAuthority, {}, { deadlineMs: ANSWER_MS })
    const running = { status, authority, ...(await processAt(adminSocket, libc)) }
    return { running, verdicts: statusVerdicts(running, about) }
  } catch (thrown) {
    const denied = codeOf(thrown) === 'peer_refused'
    const told = denied ? messageOf(thrown) : `no agent runs: ${messageOf(thrown)}`
    const todo = denied
      ? 'Run this as root, or as a user listed in admin.allow; what the agent says is left out.'
      : 'Start it with `spindle agent`; what it would say is left out.'
    return { running: undefined, verdicts: [warn(about, told, todo)] }
  } finally {
    client.close()
  }
}

/** Who listens, as the kernel says: the agent's own word for its pid holds in its own pid namespace alone. */
async function processAt(
  socket: string,
  libc: Libc | undefined,
): Promise<Pick<RunningAgent, 'pid' | 'uid'>> {
  if (libc === undefined) return { pid: undefined, uid: undefined }
  const reader = createPeerReader({ libc, pidfd: 'preferred' })
  const probe = await probeSocket(socket, (connected) => reader.read(connected))
  if (probe.state !== 'live' || 'fault' in probe.seen) return { pid: undefined, uid: undefined }
  const { peer } = probe.seen
  reader.release(peer)
  return { pid: peer.pid, uid: peer.uid }
}

function statusVerdicts(
  { status }: RunningAgent,
  about: { check: string; where: string },
): Verdict[] {
  const { version, ready, problems, sidecars, entries, peerCredentials } = status
  const told = `${version} serves ${entries} entries to ${sidecars} sidecars`
  const verdicts = ready
    ? [ok(about, `${told}, and is ready`)]
    : [fail(about, `${told}, and is not ready`, 'See `spindle status`.')]
  for (const problem of problems) verdicts.push(warn(about, problem, 'See `spindle status`.'))
  if (version !== VERSION)
    verdicts.push(
      warn(about, `is ${version}, and this command is ${VERSION}`, 'Restart it after an upgrade.'),
    )
  if (peerCredentials !== 'peer-pidfd')
    verdicts.push(
      warn(about, `holds on to callers by ${peerCredentials}`, 'Run Linux 6.5 or later.'),
    )
  return verdicts
}

/** How long the CA that signs just now still lives. */
export function authorityLife({ authority }: RunningAgent, clock: Clock): Verdict {
  const about = { check: 'authority life' }
  const active = authority.slots.find((slot) => slot.status === 'active')
  if (active?.notAfter === undefined || active.notBefore === undefined)
    return fail(
      about,
      `no CA signs${authority.fault && `: ${authority.fault}`}`,
      'See `spindle ca show`.',
    )
  const end = timestampMs(active.notAfter)
  return life(about, end - clock.now(), end - timestampMs(active.notBefore))
}

/** Whether a key signs JWT-SVIDs just now, and what is wrong with it. */
export function jwtKeys(
  { authority: { jwtSlots, jwtFault } }: RunningAgent,
  clock: Clock,
): Verdict {
  const about = { check: 'JWT keys' }
  const todo = 'See `spindle ca show`.'
  const end = jwtSlots.find((slot) => slot.status === 'active')?.notAfter
  if (end === undefined) return fail(about, `no key signs${jwtFault && `: ${jwtFault}`}`, todo)
  if (jwtFault !== '') return warn(about, jwtFault, todo)
  return ok(about, `the key that signs ends in ${span(timestampMs(end) - clock.now())}`)
}
