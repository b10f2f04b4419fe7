import { dirname, resolve } from 'node:path'
import type { Endpoint } from '../../spiffe/endpoint.ts'
import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import { ConfigError } from '../fault.ts'
import { schemaFaults } from '../schema-faults.ts'
import { located, readYaml } from '../text/source-text.ts'
import { crossFaults } from './checks.ts'
import { filesSchema } from './schema.ts'
import type { FilesFile } from './schema.ts'

/** Whose a file is, as the config says it: names are looked up by who writes. undefined: as the process has it. */
export interface OwnerConfig {
  readonly owner: string | number | undefined
  readonly group: string | number | undefined
}

/** Paths are absolute; with `folder` the four files are names in it. */
export interface X509FilesConfig extends OwnerConfig {
  readonly spiffeId: SpiffeId | undefined
  readonly hint: string | undefined
  readonly folder: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  readonly bundleFile: string | undefined
  readonly combinedFile: string | undefined
  readonly includeFederated: boolean
  readonly federatedFolder: string | undefined
  readonly certMode: number
  readonly keyMode: number
}

export interface JwtFileConfig extends OwnerConfig {
  readonly audience: readonly string[]
  readonly spiffeId: SpiffeId | undefined
  readonly file: string
  readonly mode: number
}

export interface JwtBundleFileConfig extends OwnerConfig {
  readonly trustDomain: TrustDomain
  readonly file: string
  readonly mode: number
}

export type AfterAction =
  | { readonly command: readonly string[] }
  | { readonly signal: { readonly name: NodeJS.Signals; readonly pidFile: string } }

export type AfterConfig = AfterAction & {
  readonly deadlineMs: number
  readonly debounceMs: number
}

/** The config of `spindle files`: every default filled in, units in the names. */
export interface FilesConfig {
  /** undefined: by the environment. */
  readonly socket: Endpoint | undefined
  readonly x509: readonly X509FilesConfig[]
  readonly jwt: readonly JwtFileConfig[]
  readonly jwtBundles: readonly JwtBundleFileConfig[]
  readonly sharedFolders: boolean
  readonly after: AfterConfig | undefined
  readonly log: FilesFile['log']
}

/**
 * Reads the config of `spindle files`. `file` is its path: relative paths in it are resolved against its folder.
 * @throws ConfigError with every fault of the file at once
 */
export function readFilesConfig(text: string, { file }: { readonly file: string }): FilesConfig {
  const source = readYaml(text)
  if (source.faults.length > 0) throw new ConfigError(file, source.faults)
  const folder = dirname(resolve(file))
  const checked = filesSchema.superRefine(
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
      located(source, schemaFaults(filesSchema, source.value, result.error.issues)),
    )
  return resolved(result.data, (path) => resolve(folder, path))
}

function resolved(file: FilesFile, full: (path: string) => string): FilesConfig {
  return {
    socket: file.socket,
    x509: file.x509.map((one) => resolvedX509(one, full)),
    jwt: file.jwt.map((one) => ({ spiffeId: undefined, ...owned(one), file: full(one.file) })),
    jwtBundles: file.jwtBundles.map((one) => ({ ...owned(one), file: full(one.file) })),
    sharedFolders: file.sharedFolders,
    after: file.after && resolvedAfter(file.after, full),
    log: file.log,
  }
}

type X509File = FilesFile['x509'][number]

function resolvedX509(one: X509File, full: (path: string) => string): X509FilesConfig {
  const { folder, federatedFolder } = one
  const place = (name: string | undefined): string | undefined =>
    name === undefined || folder !== undefined ? name : full(name)
  return {
    spiffeId: undefined,
    hint: undefined,
    ...owned(one),
    folder: folder === undefined ? undefined : full(folder),
    certFile: place(one.certFile),
    keyFile: place(one.keyFile),
    bundleFile: place(one.bundleFile),
    combinedFile: place(one.combinedFile),
    federatedFolder: federatedFolder === undefined ? undefined : full(federatedFolder),
  }
}

function owned<T extends Partial<OwnerConfig>>(one: T): T & OwnerConfig {
  return { ...one, owner: one.owner, group: one.group }
}

function resolvedAfter(
  { command, signal, deadline, debounce }: NonNullable<FilesFile['after']>,
  full: (path: string) => string,
): AfterConfig {
  const times = { deadlineMs: deadline, debounceMs: debounce }
  // crossFaults() has seen to it that there is exactly one of them.
  if (command !== undefined) return { ...times, command }
  const { name = 'SIGHUP', pidFile = '' } = signal ?? {}
  return { ...times, signal: { name, pidFile: full(pidFile) } }
}
