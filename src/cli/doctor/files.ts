/** The configuration and the files it names. */
import { join } from 'node:path'
import { readBundle, readEntriesOf } from '../../agent/sources.ts'
import { attachedCa } from '../../authority/disk-files.ts'
import { parseJwtSlots } from '../../authority/jwt/jwt-slot.ts'
import { parseSlots } from '../../authority/slot-file.ts'
import { parseCertificate } from '../../certs/parse.ts'
import type { AgentConfig } from '../../config/agent-config.ts'
import { isStandalone, readAgentConfig } from '../../config/agent-config.ts'
import { faultLine } from '../../config/fault.ts'
import { findPath } from '../../os/host/paths.ts'
import { openCaFiles } from '../../os/key-files.ts'
import { openStateFile } from '../../os/state-file.ts'
import type { Registry } from '../../registration/match.ts'
import { createRegistry } from '../../registration/match.ts'
import type { Clock } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import { parseTrustDomain } from '../../spiffe/spiffe-id.ts'
import { span } from '../output.ts'
import { linkFileOf } from '../link-files.ts'
import { readFile } from '../read-file.ts'
import { readAgentFile, readNamedFiles } from '../validate.ts'
import type { Verdict } from './verdict.ts'
import { fail, ok, warn } from './verdict.ts'

export interface ReadFiles {
  readonly config: AgentConfig | undefined
  readonly registry: Registry | undefined
  readonly verdicts: readonly Verdict[]
}

/** `isNamed`: the user asked for this very file, so it has to be there. */
export async function readFiles(file: string, isNamed: boolean): Promise<ReadFiles> {
  const about = { check: 'configuration', where: file }
  const none = { config: undefined, registry: undefined }
  if (!isNamed && findPath(file) === undefined) {
    const told = 'there is none at the default place; what it would say is left out'
    const verdicts = [warn(about, told, 'Name it with --config.')]
    return { ...none, verdicts }
  }
  let config: AgentConfig
  const verdicts: Verdict[] = []
  try {
    const read = readAgentConfig(readAgentFile(file), { file })
    config = read.config
    verdicts.push(judged(about, read.warnings.map(faultLine)))
  } catch (thrown) {
    return { ...none, verdicts: [fail(about, messageOf(thrown), 'Correct each fault listed.')] }
  }
  await readNamedFiles(config, async (name, check) => {
    const named = { check: name, where: fileOf(config, name) }
    try {
      verdicts.push(judged(named, await check()))
    } catch (thrown) {
      verdicts.push(fail(named, messageOf(thrown), 'Correct each fault listed.'))
    }
  })
  return { config, registry: registryOf(config), verdicts }
}

function judged(about: { check: string; where: string }, warnings: readonly string[]): Verdict {
  if (warnings.length === 0) return ok(about, 'is read, and valid')
  return warn(about, warnings.join('\n'), 'The agent starts; look whether it is meant so.')
}

function fileOf(config: AgentConfig, name: string): string {
  if (name === 'entries') return config.entries?.file ?? ''
  const bundle = name.replace(/^bundle /, '') as keyof AgentConfig['bundles']
  const { authority } = config
  if (authority.kind === 'server') return linkFileOf(authority, name)
  if (name !== 'authority') return config.bundles[bundle]?.file ?? ''
  if (authority.kind !== 'disk') return ''
  return 'pkcs12File' in authority ? authority.pkcs12File : authority.certFile
}

function registryOf(config: AgentConfig): Registry | undefined {
  if (!isStandalone(config)) return undefined
  try {
    return createRegistry(readEntriesOf(config, readFile(config.entries.file)).entries)
  } catch {
    // Told as a fault of the file.
    return undefined
  }
}

const DAY_MS = 86_400_000

/** How long what other trust domains signed with is still good for. */
export function bundleVerdicts(config: AgentConfig, clock: Clock): readonly Verdict[] {
  return Object.entries(config.bundles).flatMap(([name, { file }]) => {
    let ends: readonly number[]
    try {
      const { bundle } = readBundle(parseTrustDomain(name), readFile(file), file)
      ends = bundle.x509Authorities.map((der) => parseCertificate(der, file).notAfter)
    } catch {
      return []
    }
    const about = { check: `bundle ${name}`, where: file }
    const left = Math.max(...ends) - clock.now()
    const todo = `Get the present bundle of ${name}.`
    if (ends.length === 0) return [warn(about, 'has no X.509 authority: left out of ALL', todo)]
    if (left <= 0) return [fail(about, 'each of its authorities has expired', todo)]
    if (left < DAY_MS) return [warn(about, `its last authority ends in ${span(left)}`, todo)]
    return [ok(about, `its last authority ends in ${span(left)}`)]
  })
}

/** When the CA that would sign ends: of one on disk, or in the state of an agent that does not run. */
export async function storedAuthority(config: AgentConfig, clock: Clock): Promise<Verdict> {
  const about = { check: 'authority life' }
  if (!isStandalone(config)) return ok(about, 'is what the server says')
  const { authority, stateDir, trustDomain, svid } = config
  try {
    if (authority.kind === 'disk') {
      const limits = { now: clock.now(), svidTtlMs: svid.ttlMs }
      const { notAfter } = await attachedCa(openCaFiles(authority, clock).read(), limits)
      return life(about, notAfter - clock.now(), authority.caTtlMs)
    }
    const path = join(stateDir, `authority-${authority.kind}.json`)
    const text = openStateFile(path, clock).read()
    if (text === undefined)
      return ok(about, `there is no CA yet; the first start makes one (${path})`)
    const slots = parseSlots(text, { kind: authority.kind, trustDomain })
    const active = slots.find((slot) => slot.status === 'active')
    if (active === undefined) return ok(about, 'no CA is active; the next start makes one')
    return life({ ...about, where: path }, active.notAfter - clock.now(), authority.caTtlMs)
  } catch (thrown) {
    return warn(about, messageOf(thrown), 'Run this as the user of the agent, or as root.')
  }
}

/** The keys for JWT-SVIDs in the state of an agent that does not run. One that has ended is replaced at the start. */
export function storedJwtKeys({ stateDir, trustDomain }: AgentConfig, clock: Clock): Verdict {
  const path = join(stateDir, 'authority-jwt.json')
  const about = { check: 'JWT keys', where: path }
  try {
    const text = openStateFile(path, clock).read()
    if (text === undefined) return ok(about, 'there is none yet; the first start makes one')
    const kept = parseJwtSlots(text, trustDomain).length
    return ok(about, `${kept} ${kept === 1 ? 'is' : 'are'} kept`)
  } catch (thrown) {
    const todo =
      'Run this as the user of the agent, or as root; one that is not what it should be is moved aside.'
    return warn(about, messageOf(thrown), todo)
  }
}

const SHORT_LIFE = 1 / 8

/** Of a CA that lives `wholeMs` and still has `leftMs`. */
export function life(
  about: { readonly check: string; readonly where?: string },
  leftMs: number,
  wholeMs: number,
): Verdict {
  if (leftMs <= 0)
    return fail(about, 'the CA has expired: nothing is signed', 'See `spindle ca show`.')
  const told = `the CA that signs ends in ${span(leftMs)}`
  if (leftMs >= wholeMs * SHORT_LIFE) return ok(about, told)
  return warn(about, `${told}, less than an eighth of its life`, 'See `spindle ca show`.')
}
