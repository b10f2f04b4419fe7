import { resolve } from 'node:path'
import { messageOf } from '../../runtime/errors.ts'
import { isWorkloadId, trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { SpiffeId } from '../../spiffe/spiffe-id.ts'
import { caFiles, lifetimes, socketPathFault } from '../checks.ts'
import type { Loose } from '../checks.ts'
import { shown } from '../fault.ts'
import { durationText } from '../scalars.ts'
import { isMapping } from '../schema-node.ts'
import type { PathFault } from '../text/source-text.ts'
import { parsePostgresUrl } from './postgres-url.ts'
import { nodeAttestorFaults } from './node-attestors.ts'
import type { ServerFile } from './schema.ts'

/* What holds between keys; like ../checks.ts, these run also where single keys are wrong. */

const SHORT_TTL_MS = 60_000
/** The next CA signs from this part of the present one's life on, so no SVID can be longer than it for certain. */
const CERTAIN_PART = 6

type LooseServerFile = Loose<ServerFile>

export function crossFaults(file: unknown, folder: string): readonly PathFault[] {
  return isMapping(file) ? allFaults(file, folder) : []
}

function allFaults(file: LooseServerFile, folder: string): readonly PathFault[] {
  return [
    ...lifetimes(file),
    ...agentLifetime(file),
    ...caFiles(file),
    ...adminSocket(file, folder),
    ...admins(file),
    ...database(file),
    ...nodeAttestorFaults(file),
  ]
}

function agentLifetime(file: LooseServerFile): readonly PathFault[] {
  const [ca, agent] = [file.authority?.caTtl, file.svid?.agentTtl]
  if (typeof ca !== 'number' || typeof agent !== 'number' || ca >= 2 * agent) return []
  const message = `is ${durationText(agent)}; allowed: at most half of authority.caTtl, which makes ${durationText(ca / 2)}`
  return [{ path: ['svid', 'agentTtl'], message }]
}

function adminSocket(file: LooseServerFile, folder: string): readonly PathFault[] {
  const value = file.admin?.socket
  if (typeof value !== 'string' || value.includes('\0')) return []
  const message = socketPathFault(resolve(folder, value))
  return message === undefined ? [] : [{ path: ['admin', 'socket'], message }]
}

function admins(file: LooseServerFile): readonly PathFault[] {
  const { admins: ids, trustDomain } = file
  if (!Array.isArray(ids) || typeof trustDomain !== 'string') return []
  const seen = new Set<unknown>()
  return ids.flatMap((id: unknown, index) => {
    const path = ['admins', index]
    if (typeof id !== 'string' || !id.startsWith('spiffe://')) return []
    if (seen.has(id)) return [{ path, message: `is ${shown(id)} again; allowed: each once` }]
    seen.add(id)
    if (isWorkloadId(id as SpiffeId) && trustDomainOf(id as SpiffeId) === trustDomain) return []
    const message = `is ${shown(id)}; allowed: SPIFFE IDs of workloads of ${String(trustDomain)}`
    return [{ path, message }]
  })
}

function database({ store }: LooseServerFile): readonly PathFault[] {
  if (store?.kind !== 'postgres') return []
  const { url, urlFile } = store as { readonly url?: unknown; readonly urlFile?: unknown }
  if ((url === undefined) === (urlFile === undefined))
    return [{ path: ['store'], message: 'allowed: one of url and urlFile' }]
  if (typeof url !== 'string') return []
  try {
    parsePostgresUrl(url)
    return []
  } catch (thrown) {
    return [{ path: ['store', 'url'], message: messageOf(thrown) }]
  }
}

/** What is allowed and most likely not meant. */
export function serverWarnings(file: ServerFile): readonly PathFault[] {
  const warnings: PathFault[] = []
  for (const key of ['ttl', 'agentTtl'] as const) {
    const ttl = file.svid[key]
    if (ttl === undefined) continue
    if (ttl < SHORT_TTL_MS)
      warnings.push({
        path: ['svid', key],
        message: `is ${durationText(ttl)}: below 1m a short fault of the server already lets X.509-SVIDs expire`,
      })
    if (ttl > file.authority.caTtl / CERTAIN_PART)
      warnings.push({
        path: ['svid', key],
        message: `is ${durationText(ttl)}: an X.509-SVID ends with the CA that signed it, so it may be shorter; with a caTtl of ${durationText(CERTAIN_PART * ttl)} it is not`,
      })
  }
  if (file.store.kind === 'postgres' && file.store.url !== undefined) {
    if (parsePostgresUrl(file.store.url).password !== undefined)
      warnings.push({
        path: ['store', 'url'],
        message: 'holds a password that whoever reads this file reads too: urlFile is for that',
      })
  }
  if (Object.values(file.nodeAttestors).every((attestor) => attestor === undefined))
    warnings.push({
      path: ['nodeAttestors'],
      message: 'names none: no node can attest, so no agent can join',
    })
  return warnings
}
