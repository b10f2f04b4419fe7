/** `spindle server`: one server, from its configuration to the signal that ends it. */
import { attachedCa } from '../authority/disk-files.ts'
import { readTrustAnchorsPem } from '../certs/parse.ts'
import { faultLine } from '../config/fault.ts'
import { readServerConfig } from '../config/server/server-config.ts'
import type { ServerConfig } from '../config/server/server-config.ts'
import { openCaFiles } from '../os/key-files.ts'
import { systemClock } from '../runtime/clock.ts'
import { systemRandom } from '../runtime/random.ts'
import { SpindleError } from '../runtime/errors.ts'
import { startServer } from '../server/server.ts'
import { createLog } from '../telemetry/log.ts'
import type { Io } from './io.ts'
import { runUntilSignal } from './run-until-signal.ts'
import { readConfigFile, readFile } from './read-file.ts'
import type { Attempt } from './read-file.ts'
import { VERSION } from './version.ts'

interface Loaded {
  readonly config: ServerConfig
  /** Lines for people. */
  readonly warnings: readonly string[]
}

/** @throws SpindleError `config_invalid` with every fault of the file at once, or of the files it names */
async function load(file: string): Promise<Loaded> {
  const { config, warnings } = readServerConfig(readConfigFile(file), { file })
  const said = warnings.map((warning) => `${file}: ${faultLine(warning)}`)
  const faults: string[] = []
  const attempt: Attempt = async (_, check) => {
    try {
      said.push(...(await check()))
    } catch (thrown) {
      if (!(thrown instanceof SpindleError)) throw thrown
      faults.push(thrown.message)
    }
  }
  await readNamedFiles(config, attempt)
  if (faults.length > 0) throw new SpindleError('config_invalid', faults.join('\n'))
  return { config, warnings: said }
}

async function readNamedFiles(
  { authority, svid, nodeAttestors }: ServerConfig,
  attempt: Attempt,
): Promise<void> {
  if (authority.kind === 'disk')
    await attempt('authority', async () => {
      const material = openCaFiles(authority, systemClock).read()
      const limits = { now: systemClock.now(), svidTtlMs: Math.max(svid.ttlMs, svid.agentTtlMs) }
      return (await attachedCa(material, limits)).warnings
    })
  for (const path of nodeAttestors.x509pop?.caBundleFiles ?? [])
    await attempt('x509pop', () =>
      readTrustAnchorsPem(readFile(path), path).warnings.map((warning) => `${path}: ${warning}`),
    )
}

export async function checkServer(io: Io, file: string): Promise<void> {
  const { warnings } = await load(file)
  for (const warning of warnings) io.err(`warning: ${warning}\n`)
  io.out(`${file} is valid\n`)
}

/** Resolves when the server has been told to end and has. @throws SpindleError when it cannot start. */
export async function runServer(io: Io, file: string): Promise<void> {
  const { config, warnings } = await load(file)
  const stream = { write: (line: string) => io.err(line) }
  const log = createLog({ ...config.log, stream, clock: systemClock })
  for (const warning of warnings) log.warn({ warning }, 'configuration')
  const server = await startServer(config, {
    clock: systemClock,
    random: systemRandom,
    log,
    auditStream: stream,
    ...(io.errFailures !== undefined && { logFailures: io.errFailures }),
    version: VERSION,
  })
  await runUntilSignal(io, log, server)
}
