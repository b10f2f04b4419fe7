import { dirname, join, resolve } from 'node:path'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import { deepFreeze, resolvedAuthority } from '../agent-config.ts'
import type { AuthorityConfig, EmbeddedAuthorityConfig } from '../agent-config.ts'
import { ConfigError } from '../fault.ts'
import type { Fault } from '../fault.ts'
import type { HostAndPort, Listen } from '../scalars.ts'
import { schemaFaults } from '../schema-faults.ts'
import { located, readYaml } from '../text/source-text.ts'
import { crossFaults, serverWarnings } from './checks.ts'
import { resolvedNodeAttestors } from './node-attestors.ts'
import type { NodeAttestorsConfig } from './node-attestors.ts'
import { serverSchema } from './schema.ts'
import type { ServerFile } from './schema.ts'

export type StoreConfig =
  | { readonly kind: 'sqlite'; readonly file: string }
  /** One of the two. */
  | { readonly kind: 'postgres'; readonly url?: string; readonly urlFile?: string }

/** Below another server. */
export interface NestedAuthorityConfig extends Omit<EmbeddedAuthorityConfig, 'kind'> {
  readonly kind: 'server'
  readonly address: HostAndPort
  readonly workloadApiSocket: string
}

/** The server's config: every default filled in, units in the names, every path absolute, frozen throughout. */
export interface ServerConfig {
  readonly trustDomain: TrustDomain
  readonly listen: Listen
  readonly admin: { readonly socket: string }
  /** Of the own trust domain. */
  readonly admins: readonly SpiffeId[]
  /** undefined: switched off. */
  readonly http: Listen | undefined
  readonly stateDir: string
  readonly store: StoreConfig
  readonly authority: AuthorityConfig | NestedAuthorityConfig
  readonly svid: {
    readonly ttlMs: number
    /** Of JWT-SVIDs. */
    readonly jwtTtlMs: number
    /** Of the X.509-SVIDs of agents. */
    readonly agentTtlMs: number
  }
  readonly nodeAttestors: NodeAttestorsConfig
  /** undefined: no agent is forgotten. */
  readonly pruneAgents: { readonly expiredForMs: number; readonly once: boolean } | undefined
  /** For each address; false: unlimited. */
  readonly rateLimit: { readonly attestation: boolean; readonly signing: boolean }
  readonly log: ServerFile['log']
}

/**
 * Reads the server's config file. `file` is its path: relative paths in it are resolved against its folder.
 * @throws ConfigError with every fault of the file at once
 */
export function readServerConfig(
  text: string,
  { file }: { readonly file: string },
): { readonly config: ServerConfig; readonly warnings: readonly Fault[] } {
  const source = readYaml(text)
  if (source.faults.length > 0) throw new ConfigError(file, source.faults)
  const folder = dirname(resolve(file))
  const checked = serverSchema.superRefine(
    (value, context) => {
      for (const { path, message } of crossFaults(value, folder))
        context.addIssue({ code: 'custom', path: [...path], message })
    },
    { when: () => true },
  )
  const result = checked.safeParse(source.value)
  if (!result.success)
    throw new ConfigError(
      file,
      located(source, schemaFaults(serverSchema, source.value, result.error.issues)),
    )
  return {
    config: deepFreeze(resolved(result.data, (path) => resolve(folder, path))),
    warnings: located(source, serverWarnings(result.data)),
  }
}

function resolved(file: ServerFile, full: (path: string) => string): ServerConfig {
  const { ttl, jwtTtl, agentTtl = ttl } = file.svid
  return {
    trustDomain: file.trustDomain,
    listen: file.listen,
    admin: { socket: full(file.admin.socket) },
    admins: file.admins,
    http: file.http === false ? undefined : file.http.listen,
    stateDir: full(file.stateDir),
    store: resolvedStore(file, full),
    authority: serverAuthority(file.authority, full),
    svid: { ttlMs: ttl, jwtTtlMs: jwtTtl, agentTtlMs: agentTtl },
    nodeAttestors: resolvedNodeAttestors(file.nodeAttestors, full),
    pruneAgents: file.pruneAgents && {
      expiredForMs: file.pruneAgents.expiredFor,
      once: file.pruneAgents.tofu,
    },
    rateLimit: file.rateLimit,
    log: file.log,
  }
}

function serverAuthority(
  authority: ServerFile['authority'],
  full: (path: string) => string,
): ServerConfig['authority'] {
  if (authority.kind !== 'server') return resolvedAuthority(authority, full)
  const { kind, address, workloadApiSocket, keyType, caTtl: caTtlMs, jwtKeyType } = authority
  return { kind, address, workloadApiSocket: full(workloadApiSocket), keyType, caTtlMs, jwtKeyType }
}

function resolvedStore(
  { store, stateDir }: ServerFile,
  full: (path: string) => string,
): StoreConfig {
  if (store.kind === 'sqlite')
    return { kind: 'sqlite', file: full(store.file ?? join(stateDir, 'registry.db')) }
  const { url, urlFile } = store
  return {
    kind: 'postgres',
    ...(url !== undefined && { url }),
    ...(urlFile !== undefined && { urlFile: full(urlFile) }),
  }
}
