import { readBundle, readEntriesOf } from '../agent/sources.ts'
import { attachedCa } from '../authority/disk-files.ts'
import type { AgentConfig } from '../config/agent-config.ts'
import { readAgentConfig } from '../config/agent-config.ts'
import { faultLine } from '../config/fault.ts'
import type { Fault } from '../config/fault.ts'
import { readLimited } from '../os/files.ts'
import { openCaFiles } from '../os/key-files.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { parseTrustDomain } from '../spiffe/spiffe-id.ts'
import type { Io } from './io.ts'

const MOST_BYTES = 64 * 2 ** 20

interface LoadedConfig {
  readonly config: AgentConfig
  /** Lines for people. */
  readonly warnings: readonly string[]
}

/**
 * Reads the agent's configuration and every file it names.
 * @throws SpindleError `config_invalid` with every fault of all of them at once
 */
export async function loadConfig(file: string): Promise<LoadedConfig> {
  const { config, warnings } = readAgentConfig(readFile(file), { file })
  const said = warnings.map((warning) => `${file}: ${faultLine(warning)}`)
  const note = (from: string, notes: readonly Fault[]): void => {
    said.push(...notes.map((each) => `${from}: ${faultLine(each)}`))
  }
  const faults: string[] = []
  const attempt = async (check: () => void | Promise<void>): Promise<void> => {
    try {
      await check()
    } catch (thrown) {
      if (!(thrown instanceof SpindleError)) throw thrown
      faults.push(thrown.message)
    }
  }
  const { entries, bundles, authority, svid } = config
  await attempt(() => note(entries.file, readEntriesOf(config, readFile(entries.file)).warnings))
  for (const [name, bundle] of Object.entries(bundles))
    await attempt(() => {
      const { notes } = readBundle(parseTrustDomain(name), readFile(bundle.file), bundle.file)
      said.push(...notes.map((each) => `${bundle.file}: ${each}`))
    })
  if (authority.kind === 'disk')
    await attempt(async () => {
      const material = openCaFiles(authority, systemClock).read()
      await attachedCa(material, { now: systemClock.now(), svidTtlMs: svid.ttlMs })
    })
  if (faults.length > 0) throw new SpindleError('config_invalid', faults.join('\n'))
  return { config, warnings: said }
}

function readFile(path: string): string {
  try {
    return readLimited(path, MOST_BYTES).toString('utf8')
  } catch (thrown) {
    if (thrown instanceof SpindleError) throw thrown
    throw new SpindleError('config_invalid', `${path} cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    })
  }
}

export async function validate(io: Io, file: string): Promise<void> {
  const { warnings } = await loadConfig(file)
  for (const warning of warnings) io.err(`warning: ${warning}\n`)
  io.out(`${file} is valid\n`)
}
