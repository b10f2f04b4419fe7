import { dirname, resolve } from 'node:path'
import type { KeyType } from '../certs/keys.ts'
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts'
import { agentWarnings, crossFaults } from './checks.ts'
import { ConfigError } from './fault.ts'
import { resolvedLink } from './link/link-config.ts'
import type { ServerLinkConfig } from './link/link-config.ts'
import type { Fault } from './fault.ts'
import { readShape, schemaFaults } from './schema-faults.ts'
import type { Listen } from './scalars.ts'
import { isLoopback } from './scalars.ts'
import { agentSchema } from './schema.ts'
import type { AgentFile } from './schema.ts'
import { located, readYaml } from './text/source-text.ts'

/** Of the CAs an authority makes; `caTtlMs` is at least 2 × `svid.ttlMs`. */
interface Signing {
  readonly keyType: KeyType
  readonly caTtlMs: number
  /** Of the keys that sign JWT-SVIDs. */
  readonly jwtKeyType: KeyType
}

export interface EmbeddedAuthorityConfig extends Signing {
  readonly kind: 'embedded'
}

export type DiskAuthorityConfig = Signing & {
  readonly kind: 'disk'
  /** undefined: the certificate is itself the trust anchor. */
  readonly bundleFile: string | undefined
} & CaFilePaths

type CaFilePaths =
  | { readonly certFile: string; readonly keyFile: string }
  | { readonly pkcs12File: string; readonly passwordFile: string }

/** One in this process. */
export type AuthorityConfig = EmbeddedAuthorityConfig | DiskAuthorityConfig

export interface RemoteAuthorityConfig extends ServerLinkConfig {
  readonly kind: 'server'
  /** Where identities are kept: in a folder below `cache` beside the socket, in `stateDir`, or nowhere, and nothing else either. */
  readonly cache: 'run' | 'state' | 'off'
}

interface CommonConfig {
  readonly trustDomain: TrustDomain
  readonly socket: string
  readonly admin: { readonly socket: string; readonly allow: readonly number[] }
  /** undefined: switched off. */
  readonly http: (Listen & { readonly page: boolean }) | undefined
  readonly stateDir: string
  /** `ttlMs` and `jwtTtlMs` are a server's to say where there is one. */
  readonly svid: {
    readonly ttlMs: number
    readonly keyType: KeyType
    /** Of JWT-SVIDs. */
    readonly jwtTtlMs: number
  }
  /** By trust domain; without prototype. */
  readonly bundles: Readonly<Record<TrustDomain, { readonly file: string }>>
  readonly attestors: {
    readonly unix: {
      readonly path: boolean
      readonly sha256: boolean
      readonly sha256MaxBytes: number
    }
  }
  readonly attestation: { readonly pidfd: 'required' | 'preferred'; readonly periodMs: number }
  readonly sds: {
    readonly names: { readonly svid: string; readonly bundle: string; readonly allBundles: string }
    /** By secret name; without prototype. */
    readonly aliases: Readonly<Record<string, SpiffeId>>
    readonly unauthorized: 'wait' | 'close'
    readonly validator: 'spiffe' | 'trusted-ca'
    readonly ackDeadlineMs: number
    readonly requireSecurityHeader: boolean
  }
  readonly workload: {
    readonly unregisteredBundles: boolean
    readonly foreignJwtClaims: readonly string[]
  }
  readonly limits: {
    /** undefined: half of the descriptors the process may open. */
    readonly connectionsPerUid: number | undefined
    readonly streamsPerConnection: number
    readonly namesPerStream: number
  }
  readonly log: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'
    readonly format: 'json' | 'text'
  }
}

/** Of an agent that has its own authority, and its entries in a file. */
export interface StandaloneConfig extends CommonConfig {
  readonly authority: AuthorityConfig
  readonly entries: { readonly file: string }
}

/** Of an agent that has both from a server. */
export interface RemoteConfig extends CommonConfig {
  readonly authority: RemoteAuthorityConfig
  readonly entries: undefined
}

/** The agent's config: every default filled in, units in the names, every path absolute, frozen throughout. */
export type AgentConfig = StandaloneConfig | RemoteConfig

export function isStandalone(config: AgentConfig): config is StandaloneConfig {
  return config.authority.kind !== 'server'
}

/**
 * Reads the agent's config file. `file` is its path: relative paths in it are resolved against its folder.
 * @throws ConfigError with every fault of the file at once
 */
export function readAgentConfig(
  text: string,
  { file }: { readonly file: string },
): { readonly config: AgentConfig; readonly warnings: readonly Fault[] } {
  const source = readYaml(text)
  if (source.faults.length > 0) throw new ConfigError(file, source.faults)
  const folder = dirname(resolve(file))
  const checked = agentSchema.superRefine(
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
      located(source, schemaFaults(agentSchema, source.value, result.error.issues)),
    )
  return {
    config: deepFreeze(resolved(result.data, (path) => resolve(folder, path))),
    warnings: located(source, agentWarnings(result.data)),
  }
}

/** What a config says of the other files it names, and what it takes to read them. */
export type NamedFiles = Partial<
  Pick<AgentConfig, 'trustDomain' | 'entries' | 'bundles' | 'authority' | 'svid' | 'stateDir'>
>

/** The files that a config with faults names all the same, so that their faults are told together with its own. */
export function namedFiles(text: string, { file }: { readonly file: string }): NamedFiles {
  const source = readYaml(text)
  if (source.faults.length > 0) return {}
  const { trustDomain, entries, bundles, authority, svid, stateDir } = readShape(
    agentSchema,
    source.value,
  ).fields
  const folder = dirname(resolve(file))
  const full = (path: string): string => resolve(folder, path)
  // Which files are meant is not known where its keys do not belong together.
  const attached = crossFaults(source.value, folder).some(({ path }) => path[0] === 'authority')
    ? undefined
    : authority
  return {
    ...(trustDomain && { trustDomain }),
    ...(entries && { entries: { file: full(entries.file) } }),
    ...(bundles && { bundles: resolvedBundles(bundles, full) }),
    ...(attached && { authority: resolvedAgentAuthority(attached, full) }),
    ...(svid && { svid: resolvedSvid(svid) }),
    ...(stateDir && { stateDir: full(stateDir) }),
  }
}

function resolved(file: AgentFile, full: (path: string) => string): AgentConfig {
  const authority = resolvedAgentAuthority(file.authority, full)
  // crossFaults() has seen to it that there are entries where they are needed, and none where they are not.
  const origin =
    authority.kind === 'server'
      ? { authority, entries: undefined }
      : { authority, entries: { file: full(file.entries?.file ?? '') } }
  return {
    ...origin,
    trustDomain: file.trustDomain,
    socket: full(file.socket),
    admin: { socket: full(file.admin.socket), allow: file.admin.allow },
    http: file.http === false ? undefined : resolvedHttp(file.http),
    stateDir: full(file.stateDir),
    svid: resolvedSvid(file.svid),
    bundles: resolvedBundles(file.bundles, full),
    attestors: file.attestors,
    attestation: { pidfd: file.attestation.pidfd, periodMs: file.attestation.period },
    sds: {
      names: file.sds.names,
      aliases: bare(Object.entries(file.sds.aliases)),
      unauthorized: file.sds.unauthorized,
      validator: file.sds.validator,
      ackDeadlineMs: file.sds.ackDeadline,
      requireSecurityHeader: file.sds.requireSecurityHeader,
    },
    workload: file.workload,
    limits: { connectionsPerUid: undefined, ...file.limits },
    log: file.log,
  }
}

/** What is beyond loopback may be reached by anyone: the page is shown there only where the config says so. */
function resolvedHttp({
  listen,
  page,
}: Exclude<AgentFile['http'], false>): NonNullable<AgentConfig['http']> {
  return { ...listen, page: page ?? isLoopback(listen.host) }
}

function resolvedBundles(
  bundles: AgentFile['bundles'],
  full: (path: string) => string,
): AgentConfig['bundles'] {
  return bare(Object.entries(bundles).map(([key, value]) => [key, { file: full(value.file) }]))
}

function resolvedSvid({ ttl, keyType, jwtTtl }: AgentFile['svid']): AgentConfig['svid'] {
  return { ttlMs: ttl, keyType, jwtTtlMs: jwtTtl }
}

function resolvedAgentAuthority(
  authority: AgentFile['authority'],
  full: (path: string) => string,
): AgentConfig['authority'] {
  if (authority.kind !== 'server') return resolvedAuthority(authority, full)
  return { kind: 'server', ...resolvedLink(authority, full), cache: authority.cache }
}

export function resolvedAuthority(
  authority: Exclude<AgentFile['authority'], { readonly kind: 'server' }>,
  full: (path: string) => string,
): AuthorityConfig {
  const { keyType, caTtl: caTtlMs, jwtKeyType } = authority
  if (authority.kind === 'embedded') return { kind: 'embedded', keyType, caTtlMs, jwtKeyType }
  const { kind, certFile, keyFile, pkcs12File, passwordFile, bundleFile } = authority
  const common = {
    kind,
    keyType,
    caTtlMs,
    jwtKeyType,
    bundleFile: bundleFile === undefined ? undefined : full(bundleFile),
  }
  // crossFaults() has seen to it that there is one of the pairs.
  if (pkcs12File !== undefined && passwordFile !== undefined)
    return { ...common, pkcs12File: full(pkcs12File), passwordFile: full(passwordFile) }
  return { ...common, certFile: full(certFile ?? ''), keyFile: full(keyFile ?? '') }
}

/** Names from outside are keys here: without a prototype, `constructor` is absent like any other. */
function bare<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.assign(Object.create(null) as Record<string, T>, Object.fromEntries(entries))
}

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) deepFreeze(part)
  return Object.freeze(value)
}
