import { readBundle, readEntriesOf } from '../agent/sources.ts'
import { attachedCa } from '../authority/disk-files.ts'
import type { AgentConfig, NamedFiles } from '../config/agent-config.ts'
import { namedFiles, readAgentConfig } from '../config/agent-config.ts'
import { faultLine } from '../config/fault.ts'
import { isServerConfig } from '../config/server/is-server-config.ts'
import { openCaFiles } from '../os/key-files.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpindleError } from '../runtime/errors.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import { parseTrustDomain } from '../spiffe/spiffe-id.ts'
import type { Io } from './io.ts'
import { readLinkFiles } from './link-files.ts'
import { readConfigFile, readFile } from './read-file.ts'
import type { Attempt } from './read-file.ts'

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
  const text = readAgentFile(file)
  const said: string[] = []
  const faults: string[] = []
  const attempt: Attempt = async (_, check) => {
    try {
      said.push(...(await check()))
    } catch (thrown) {
      if (!(thrown instanceof SpindleError)) throw thrown
      faults.push(thrown.message)
    }
  }
  let config: AgentConfig | undefined
  await attempt('configuration', () => {
    const read = readAgentConfig(text, { file })
    config = read.config
    return read.warnings.map((warning) => `${file}: ${faultLine(warning)}`)
  })
  await readNamedFiles(config ?? namedFiles(text, { file }), attempt)
  if (config === undefined || faults.length > 0)
    throw new SpindleError('config_invalid', faults.join('\n'))
  return { config, warnings: said }
}

/** The text of an agent's configuration. @throws SpindleError `config_invalid` where it is rather a server's */
export function readAgentFile(file: string): string {
  const text = readConfigFile(file)
  if (!isServerConfig(text)) return text
  const fault = `${file} is a server's configuration, by its keys: \`spindle server\` runs it, \`spindle validate\` checks it`
  throw new SpindleError('config_invalid', fault)
}

export async function readNamedFiles(named: NamedFiles, attempt: Attempt): Promise<void> {
  const { trustDomain, entries, bundles = {}, authority, svid, stateDir } = named
  if (trustDomain !== undefined && entries !== undefined)
    await attempt('entries', () =>
      readEntriesOf({ trustDomain, entries, bundles }, readFile(entries.file)).warnings.map(
        (warning) => `${entries.file}: ${faultLine(warning)}`,
      ),
    )
  for (const [name, bundle] of Object.entries(bundles))
    if (isTrustDomain(name))
      await attempt(`bundle ${name}`, () =>
        readBundle(name, readFile(bundle.file), bundle.file).notes.map(
          (note) => `${bundle.file}: ${note}`,
        ),
      )
  if (authority?.kind === 'server' && trustDomain !== undefined && stateDir !== undefined)
    await readLinkFiles({ trustDomain, stateDir, authority }, attempt)
  if (authority?.kind === 'disk' && svid !== undefined)
    await attempt('authority', async () => {
      const material = openCaFiles(authority, systemClock).read()
      const limits = { now: systemClock.now(), svidTtlMs: svid.ttlMs }
      return (await attachedCa(material, limits)).warnings
    })
}

/** One that is none is a fault of the configuration, and told as that. */
function isTrustDomain(name: string): name is TrustDomain {
  try {
    return parseTrustDomain(name) === name
  } catch {
    return false
  }
}

export async function validate(
  io: Io,
  file: string,
  { server }: { readonly server: boolean },
): Promise<void> {
  if (server || isServerConfig(readConfigFile(file))) {
    const { checkServer } = await import('./run-server.ts')
    return await checkServer(io, file)
  }
  const { warnings } = await loadConfig(file)
  for (const warning of warnings) io.err(`warning: ${warning}\n`)
  io.out(`${file} is valid\n`)
}
