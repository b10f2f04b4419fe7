/** Sockets, the folders they and the state are in, and the HTTP port. */
import { dirname } from 'node:path'
import { closedToOthers, findPath, isTaken, mayWrite } from '../../os/host/paths.ts'
import { whyNoListening } from '../../os/host/port.ts'
import type { SocketProbe } from '../../os/host/probe-socket.ts'
import { probeSocket } from '../../os/host/probe-socket.ts'
import { checkPath } from '../../os/listen.ts'
import { findUnmade } from '../../os/safe-folder.ts'
import { ERRORS, messageOf } from '../../runtime/errors.ts'
import type { Setting } from './setting.ts'
import type { Verdict } from './verdict.ts'
import { fail, ok, warn } from './verdict.ts'

export async function socketVerdicts(
  setting: Setting,
  paths: { readonly socket: string; readonly adminSocket: string },
): Promise<readonly Verdict[]> {
  return [
    ...(await oneSocket(setting, { check: 'socket', where: paths.socket })),
    ...reach(paths.socket),
    ...(await oneSocket(setting, { check: 'admin socket', where: paths.adminSocket })),
  ]
}

interface About {
  readonly check: string
  readonly where: string
}

async function oneSocket(setting: Setting, about: About): Promise<readonly Verdict[]> {
  const { todo } = ERRORS.socket_unusable
  try {
    checkPath(about.where)
  } catch (thrown) {
    return [fail(about, messageOf(thrown), todo)]
  }
  return [folder(setting, about), found(setting, about, await probeSocket(about.where))]
}

/** The rules of the agent's own start, with nothing made. */
function folder({ uid }: Setting, { check, where }: About): Verdict {
  const path = dirname(where)
  const about = { check: `${check} folder`, where: path }
  try {
    const unmade = findUnmade(path, uid)
    if (unmade === undefined)
      return ok(about, `only root and uid ${uid} may write what leads to it`)
    const parent = dirname(unmade)
    if (uid !== process.geteuid?.() || mayWrite(parent))
      return ok(about, 'is not there yet; the agent makes it')
    const todo = `Make it, owned by the agent's user, or run the agent as a user that may write ${parent}.`
    return fail(about, `is not there, and this user may not make it in ${parent}`, todo)
  } catch (thrown) {
    return fail(about, messageOf(thrown), ERRORS.socket_unusable.todo)
  }
}

function found({ running }: Setting, about: About, probe: SocketProbe<unknown>): Verdict {
  switch (probe.state) {
    case 'live':
      return running === undefined
        ? warn(
            about,
            'is served, by an agent that does not answer here or by another program',
            'See who: `ss -xlp` as root. An agent does not start on a socket that is served.',
          )
        : ok(about, 'is served by the agent')
    case 'absent':
      if (isTaken(about.where))
        return fail(about, 'is a link that leads nowhere', 'Remove it; the agent leaves it alone.')
      return running === undefined
        ? ok(about, 'is not there; the agent makes it')
        : fail(about, 'is gone, though an agent runs: nobody can connect', 'Restart the agent.')
    case 'refused':
      return findPath(about.where)?.kind === 'socket'
        ? ok(about, 'is left over from an agent that has ended; the next one replaces it')
        : fail(about, 'is there and is no socket', 'Remove it, or choose another path.')
    case 'unknown':
      return warn(
        about,
        `cannot be tried (${probe.why})`,
        'Run this as root, or as a user that may use it.',
      )
  }
}

/** Envoys of other users have to come to the socket. */
function reach(path: string): readonly Verdict[] {
  const closed = closedToOthers(path)
  if (closed === undefined) return []
  const detail = `Envoys of other users cannot enter ${closed}`
  return [warn({ check: 'socket', where: path }, detail, `Run chmod o+x ${closed}.`)]
}

const OPEN_TO_OTHERS = 0o077

export function stateVerdict({ config, uid }: Setting): readonly Verdict[] {
  if (config === undefined) return []
  const about = { check: 'state folder', where: config.stateDir }
  try {
    if (findUnmade(config.stateDir, uid) !== undefined)
      return [ok(about, 'is not there yet; the agent makes it')]
  } catch (thrown) {
    return [fail(about, messageOf(thrown), 'Give it to the user of the agent, mode 0700.')]
  }
  const stat = findPath(config.stateDir)
  if (stat === undefined) return [warn(about, 'may not be looked at', 'Run this as root.')]
  const mode = stat.mode.toString(8).padStart(4, '0')
  if (stat.uid !== uid)
    return [
      fail(
        about,
        `belongs to uid ${stat.uid}, and the agent is uid ${uid}`,
        `Run chown ${uid} on it.`,
      ),
    ]
  if ((stat.mode & OPEN_TO_OTHERS) !== 0)
    return [warn(about, `has mode ${mode}: it holds keys of the CA`, 'Run chmod 0700 on it.')]
  return [ok(about, `belongs to uid ${uid}, mode ${mode}`)]
}

export async function httpVerdict({ config, running }: Setting): Promise<readonly Verdict[]> {
  if (config === undefined) return []
  const about = { check: 'http' }
  if (config.http === undefined) return [ok(about, 'is switched off')]
  const { host, port } = config.http
  const where = `${host}:${port}`
  if (running !== undefined && running.status.httpAddress !== '')
    return [ok({ ...about, where: running.status.httpAddress }, 'is served by the agent')]
  const why = await whyNoListening(host, port)
  if (why === undefined) return [ok({ ...about, where }, 'is free')]
  const todo = ERRORS.listen_failed.todo
  return [fail({ ...about, where }, `cannot be listened on (${why})`, todo)]
}
