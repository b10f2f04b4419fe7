/** `spindle doctor`: everything an agent, and an Envoy of it, stand on, looked at without changing any of it. */
import { isStandalone } from '../../config/agent-config.ts'
import { openLibc } from '../../os/libc.ts'
import type { Libc } from '../../os/libc.ts'
import type { Clock } from '../../runtime/clock.ts'
import { systemClock } from '../../runtime/clock.ts'
import type { Format, Io } from '../io.ts'
import { CommandFailed } from '../io.ts'
import { DEFAULT_ADMIN_SOCKET, DEFAULT_AGENT_SOCKET } from '../options.ts'
import { authorityLife, jwtKeys, lookForAgent } from './agent.ts'
import { envoyVerdicts } from './envoy.ts'
import { bundleVerdicts, readFiles, storedAuthority, storedJwtKeys } from './files.ts'
import { hostVerdicts } from './host.ts'
import { report } from './report.ts'
import { serverVerdicts } from './server.ts'
import type { Setting } from './setting.ts'
import { httpVerdict, socketVerdicts, stateVerdict } from './sockets.ts'
import type { Verdict } from './verdict.ts'

export interface DoctorOptions {
  readonly config: string
  /** The file was named, and is not only the default. */
  readonly isConfigNamed: boolean
  readonly envoy?: string
  readonly output: Format
}

/** @throws CommandFailed (exit 1) when something has to be mended */
export async function doctor(io: Io, options: DoctorOptions): Promise<void> {
  const verdicts = await examine(options, systemClock)
  io.out(report(verdicts, options.output))
  if (verdicts.some(({ level }) => level === 'fail')) throw new CommandFailed(1)
}

async function examine(
  { config: file, isConfigNamed, envoy }: DoctorOptions,
  clock: Clock,
): Promise<readonly Verdict[]> {
  const libc = libcOrNone()
  const files = await readFiles(file, isConfigNamed)
  const { config, registry } = files
  const paths = {
    socket: config?.socket ?? DEFAULT_AGENT_SOCKET,
    adminSocket: config?.admin.socket ?? DEFAULT_ADMIN_SOCKET,
  }
  const agent = await lookForAgent(paths.adminSocket, libc)
  const { running } = agent
  const uid = running?.uid ?? process.geteuid?.() ?? 0
  const setting: Setting = { config, registry, running, libc, uid, clock }
  return [
    ...(await hostVerdicts(setting)),
    ...files.verdicts,
    ...(config === undefined ? [] : bundleVerdicts(config, clock)),
    ...stateVerdict(setting),
    ...(await authority(setting)),
    ...(await serverVerdicts(setting)),
    ...(await socketVerdicts(setting, paths)),
    ...(await httpVerdict(setting)),
    ...agent.verdicts,
    ...(envoy === undefined ? [] : await envoyVerdicts(envoy, setting)),
  ]
}

async function authority({ config, running, clock }: Setting): Promise<readonly Verdict[]> {
  if (config !== undefined && !isStandalone(config)) return []
  if (running !== undefined) return [authorityLife(running, clock), jwtKeys(running, clock)]
  if (config === undefined) return []
  return [await storedAuthority(config, clock), storedJwtKeys(config, clock)]
}

function libcOrNone(): Libc | undefined {
  try {
    return openLibc()
  } catch {
    return undefined
  }
}
