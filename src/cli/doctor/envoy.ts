/** An Envoy's configuration, as a file. */
import { parse } from 'yaml'
import type { AgentFacts, Check } from '../../bootstrap/check/finding.ts'
import { CHECKS } from '../../bootstrap/check/finding.ts'
import { checkBootstrap } from '../../bootstrap/check/findings.ts'
import { probeSocket } from '../../os/host/probe-socket.ts'
import { messageOf } from '../../runtime/errors.ts'
import { readFile } from '../read-file.ts'
import type { Setting } from './setting.ts'
import type { Verdict } from './verdict.ts'
import { fail, ok, warn } from './verdict.ts'

const DEFAULT_NAMES = { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' }

export async function envoyVerdicts(file: string, setting: Setting): Promise<readonly Verdict[]> {
  let config: unknown
  try {
    // JSON is YAML.
    config = parse(readFile(file))
  } catch (thrown) {
    const about = { check: 'envoy', where: file }
    return [fail(about, messageOf(thrown), 'Name a file of YAML or JSON, as Envoy reads it.')]
  }
  const { findings, sockets, notSeen } = checkBootstrap(config, factsOf(setting))
  const wrong = new Set<Check>(findings.map(({ check }) => check))
  const fine = Object.entries(CHECKS).filter(([check]) => !wrong.has(check as Check))
  return [
    ...findings.map(({ check, level, path, reason, fix }): Verdict => {
      return { check: `envoy: ${check}`, level, where: path, detail: reason, todo: fix }
    }),
    ...(await Promise.all(sockets.map(reachable))),
    ...(wrong.has('secrets') || (sockets.length === 0 && findings.length === 0)
      ? []
      : fine.map(([check, told]) => ok({ check: `envoy: ${check}` }, told))),
    ...notSeen.map((where) =>
      warn(
        { check: 'envoy', where },
        'what comes from there at run time is not in this file, and was not looked at',
        "Give this command what Envoy's /config_dump shows of it.",
      ),
    ),
  ]
}

/** Of the agent that this command was given; of one it knows nothing of, the names that are the default. */
function factsOf({ config, registry, running }: Setting): AgentFacts {
  const hints = registry?.entries.map(({ hint }) => hint).filter((hint) => hint !== '')
  return {
    socket: config?.socket ?? running?.status.socket,
    names: config?.sds.names ?? DEFAULT_NAMES,
    otherNames:
      config === undefined || hints === undefined
        ? undefined
        : new Set([...Object.keys(config.sds.aliases), ...hints]),
    validator: config?.sds.validator ?? 'spiffe',
  }
}

async function reachable(path: string): Promise<Verdict> {
  const about = { check: 'envoy: socket', where: path }
  const probe = await probeSocket(path)
  if (probe.state === 'live') return ok(about, 'is served')
  const why = probe.state === 'unknown' ? probe.why : `nobody listens (${probe.state})`
  return warn(about, `cannot be reached: ${why}`, 'Start the agent, or name its socket.')
}
