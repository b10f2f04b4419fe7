import { dirname, resolve } from 'node:path'
import {
  isWorkloadId,
  parseTrustDomain,
  trustDomainId,
  trustDomainOf,
} from '../spiffe/spiffe-id.ts'
import { linkFaults, linkWarnings } from './link/checks.ts'
import { agentSchema } from './schema.ts'
import type { AgentFile } from './schema.ts'
import type { PathFault } from './text/source-text.ts'
import { messageOf } from '../runtime/errors.ts'
import { durationText } from './scalars.ts'
import { shown } from './fault.ts'
import { allowedText, isMapping, schemaNode } from './schema-node.ts'

/*
 * What holds between keys. These run also where single keys are wrong, so that every fault is told at once: a value that
 * could not be read is then missing or still as it was written, and whatever rests on it is passed over.
 */

/** sun_path holds 108 bytes, the last of them NUL (unix(7)). */
const LONGEST_SOCKET_PATH = 107
const SHORT_TTL_MS = 60_000

export type Loose<T> = T extends (infer E)[]
  ? readonly E[] | undefined
  : T extends object
    ? { readonly [K in keyof T]?: Loose<T[K]> }
    : unknown

type LooseAgentFile = Loose<AgentFile>

export function crossFaults(file: unknown, folder: string): readonly PathFault[] {
  return isMapping(file) ? allFaults(file, folder) : []
}

function allFaults(file: LooseAgentFile, folder: string): readonly PathFault[] {
  return [
    ...lifetimes(file),
    ...caFiles(file),
    ...linkFaults(mapping(file.authority)),
    ...registrations(file),
    ...sockets(file, folder),
    ...reservedNames(file),
    ...aliases(file),
    ...bundles(file),
  ]
}

/** Entries and bundles come from files or from a server, never from both. */
function registrations(file: LooseAgentFile): readonly PathFault[] {
  const kind = mapping(file.authority)['kind']
  if (kind !== 'server') {
    if (file.entries !== undefined) return []
    const allowed = allowedText(schemaNode(agentSchema.shape.entries))
    return [{ path: ['entries'], message: `is missing; allowed: ${allowed}` }]
  }
  const message = 'has no place with authority.kind server; allowed: nothing, the server says it'
  return [
    ...(file.entries === undefined ? [] : [{ path: ['entries'], message }]),
    ...(Object.keys(mapping(file.bundles)).length === 0 ? [] : [{ path: ['bundles'], message }]),
  ]
}

export function lifetimes(file: {
  readonly authority?: unknown
  readonly svid?: { readonly ttl?: unknown } | undefined
}): readonly PathFault[] {
  const [ca, leaf] = [mapping(file.authority)['caTtl'], file.svid?.ttl]
  if (typeof ca !== 'number' || typeof leaf !== 'number' || ca >= 2 * leaf) return []
  const message = `is ${durationText(ca)}; allowed: at least 2 × svid.ttl, which makes ${durationText(2 * leaf)}`
  return [{ path: ['authority', 'caTtl'], message }]
}

const CA_FILES = 'certFile and keyFile, or pkcs12File and passwordFile'

/** An operator's CA comes in exactly one of two forms. */
export function caFiles(file: { readonly authority?: unknown }): readonly PathFault[] {
  const authority = mapping(file.authority)
  if (authority['kind'] !== 'disk') return []
  const has = (key: string): boolean => authority[key] !== undefined
  const pem = ['certFile', 'keyFile'].filter(has)
  const pkcs12 = ['pkcs12File', 'passwordFile'].filter(has)
  if (pem.length > 0 && pkcs12.length > 0)
    return pkcs12.map((key) => ({
      path: ['authority', key],
      message: `stands beside ${pem.join(' and ')}; allowed: ${CA_FILES}`,
    }))
  if (pem.length === 0 && pkcs12.length === 0)
    return [{ path: ['authority'], message: `names no CA; allowed: ${CA_FILES}` }]
  const wanted = pem.length > 0 ? ['certFile', 'keyFile'] : ['pkcs12File', 'passwordFile']
  return wanted
    .filter((key) => !has(key))
    .map((key) => ({
      path: ['authority', key],
      message: `is missing; allowed: ${CA_FILES}`,
    }))
}

export function socketPathFault(full: string): string | undefined {
  const bytes = Buffer.byteLength(full)
  if (bytes <= LONGEST_SOCKET_PATH) return undefined
  return `is ${bytes} bytes once resolved; allowed: at most ${LONGEST_SOCKET_PATH}`
}

function sockets(file: LooseAgentFile, folder: string): readonly PathFault[] {
  const faults: PathFault[] = []
  const places = [
    { path: ['socket'], value: file.socket },
    { path: ['admin', 'socket'], value: file.admin?.socket },
  ]
  const resolved = places.map(({ path, value }) => {
    if (typeof value !== 'string' || value.includes('\0')) return undefined
    const full = resolve(folder, value)
    const message = socketPathFault(full)
    if (message !== undefined) faults.push({ path, message })
    return full
  })
  const [agent, admin] = resolved
  if (agent !== undefined && admin !== undefined && dirname(agent) === dirname(admin))
    faults.push({
      path: ['admin', 'socket'],
      message:
        'is in the same folder as socket; allowed: a folder of its own, which only root and the agent can enter',
    })
  return faults
}

function reservedNames(file: LooseAgentFile): readonly PathFault[] {
  const names = mapping(file.sds?.names)
  const seen = new Map<unknown, string>()
  const faults: PathFault[] = []
  for (const key of ['svid', 'bundle', 'allBundles'] as const) {
    const name = names[key]
    if (typeof name !== 'string') continue
    const other = seen.get(name)
    if (other !== undefined)
      faults.push({
        path: ['sds', 'names', key],
        message: `is ${shown(name)}, as sds.names.${other} is; allowed: names that differ`,
      })
    else seen.set(name, key)
  }
  return faults
}

function aliases(file: LooseAgentFile): readonly PathFault[] {
  const reserved = Object.entries(mapping(file.sds?.names))
  return Object.keys(mapping(file.sds?.aliases)).flatMap((alias) => {
    const hit = reserved.find(([, name]) => name === alias)
    if (hit === undefined) return []
    const message = `equals sds.names.${hit[0]}; allowed: a name that is not reserved`
    return [{ path: ['sds', 'aliases', alias], message }]
  })
}

function bundles(file: LooseAgentFile): readonly PathFault[] {
  const seen = new Map<string, string>()
  return Object.keys(mapping(file.bundles)).flatMap((key) => {
    const path = ['bundles', key]
    try {
      const name = parseTrustDomain(key)
      if (name === file.trustDomain) {
        const message =
          'is the own trust domain; allowed: others, since the authority says what the own bundle is'
        return [{ path, message }]
      }
      const other = seen.get(name)
      seen.set(name, key)
      return other === undefined
        ? []
        : [{ path, message: `is the same trust domain as ${shown(other)}; allowed: each once` }]
    } catch (error) {
      return [{ path, message: `is not a trust domain: ${messageOf(error)}` }]
    }
  })
}

function mapping(value: unknown): Readonly<Record<string, unknown>> {
  return isMapping(value) ? value : {}
}

/** The defaults of `svid`. */
const DEFAULT_LIVES = { ttl: 3_600_000, jwtTtl: 300_000 } as const

/** With a server they are the server's to say: what differs from the defaults was meant to be something here. */
function livesOfServer(svid: AgentFile['svid']): readonly PathFault[] {
  return (['ttl', 'jwtTtl'] as const)
    .filter((key) => svid[key] !== DEFAULT_LIVES[key])
    .map((key) => ({
      path: ['svid', key],
      message: 'changes nothing with authority.kind server: the server says how long an SVID lives',
    }))
}

/** What is allowed and most likely not meant. */
export function agentWarnings(file: AgentFile): readonly PathFault[] {
  const warnings: PathFault[] = []
  const { authority } = file
  if (authority.kind === 'server')
    warnings.push(...linkWarnings(authority), ...livesOfServer(file.svid))
  else if (file.svid.ttl < SHORT_TTL_MS)
    warnings.push({
      path: ['svid', 'ttl'],
      message: `is ${durationText(file.svid.ttl)}: below 1m a short fault of the authority already lets X.509-SVIDs expire`,
    })
  const domains = new Set<string>([file.trustDomain, ...Object.keys(file.bundles)])
  for (const [alias, target] of Object.entries(file.sds.aliases)) {
    const domain = trustDomainOf(target)
    const path = ['sds', 'aliases', alias]
    if (isWorkloadId(target) && domain !== file.trustDomain)
      warnings.push({
        path,
        message: `names a workload of ${domain}: this agent has X.509-SVIDs of ${file.trustDomain} only, so it stays without a secret`,
      })
    if (authority.kind === 'server') continue
    if (target === trustDomainId(domain) && !domains.has(domain))
      warnings.push({
        path,
        message: `names the bundle of ${domain}, which is not among bundles: it stays without a secret`,
      })
  }
  return warnings
}
