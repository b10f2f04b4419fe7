/** Where content goes: the configuration's names, owners and folders as functions that write. */
import { basename, dirname } from 'node:path'
import type { FilesConfig, OwnerConfig, X509FilesConfig } from '../config/files/files-config.ts'
import type { PlaceRules } from '../os/place/open-folder.ts'
import { placeFiles } from '../os/place/place-files.ts'
import type { PlacedFile } from '../os/place/staged-file.ts'
import { swapFolder } from '../os/place/swap-folder.ts'
import type { AccountIds } from '../os/process/account-ids.ts'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import type { Random } from '../runtime/random.ts'

export interface Writer {
  readonly uid: number
  readonly ids: AccountIds
  readonly random: Random
}

/** Writes; says whether anything has changed. @throws SpindleError `file_unwritable` */
export type Write<T> = (content: T) => boolean

/**
 * The rules by which files of one item are written.
 * @param place of the item, such as `x509[0]`
 * @throws SpindleError `config_invalid` for a user or group that is not there
 */
export function rulesOf(
  place: string,
  { owner, group }: OwnerConfig,
  { uid, ids, random, shared }: Writer & { readonly shared: boolean },
): PlaceRules {
  const idOf = (
    key: 'owner' | 'group',
    value: string | number | undefined,
    look: (name: string) => number | undefined,
  ): number | undefined => {
    if (typeof value !== 'string') return value
    const id = attempt(`${place}.${key}`, () => look(value))
    if (id !== undefined) return id
    const [kind, file] = key === 'owner' ? ['user', '/etc/passwd'] : ['group', '/etc/group']
    const message = `${place}.${key}: there is no ${kind} ${JSON.stringify(value)} in ${file}`
    throw new SpindleError('config_invalid', message)
  }
  return {
    uid,
    owner: { uid: idOf('owner', owner, ids.userId), gid: idOf('group', group, ids.groupId) },
    shared,
    unique: () => random.bytes(8).toString('hex'),
  }
}

function attempt<T>(place: string, look: () => T): T {
  try {
    return look()
  } catch (thrown) {
    throw new SpindleError('config_invalid', `${place}: ${messageOf(thrown)}`, { cause: thrown })
  }
}

export interface X509Pieces {
  readonly files: readonly PlacedFile[]
  readonly federated: readonly PlacedFile[]
}

export function x509Writer(config: X509FilesConfig, rules: PlaceRules): Write<X509Pieces> {
  const { folder, federatedFolder } = config
  return ({ files, federated }) => {
    const partners = federatedFolder !== undefined && swapFolder(federatedFolder, federated, rules)
    const own =
      folder === undefined ? placeFiles(files.map(placed), rules) : swapFolder(folder, files, rules)
    return partners || own
  }
}

export function fileWriter(
  { file, mode }: { readonly file: string; readonly mode: number },
  rules: PlaceRules,
): Write<string> {
  return (content) => placeFiles([placed({ name: file, content, mode })], rules)
}

/** `name` is a path. */
const placed = ({ name, content, mode }: PlacedFile): PlacedFile & { folder: string } => ({
  folder: dirname(name),
  name: basename(name),
  content,
  mode,
})

/** Every file of a configuration by its path, in its order. */
export function pathsOf({ x509, jwt, jwtBundles }: FilesConfig): readonly string[] {
  return [
    ...x509.flatMap(({ folder, federatedFolder, ...item }) => {
      const names = [item.certFile, item.keyFile, item.bundleFile, item.combinedFile]
      const files = names.filter((name) => name !== undefined)
      const full = folder === undefined ? files : files.map((name) => `${folder}/${name}`)
      return federatedFolder === undefined ? full : [...full, federatedFolder]
    }),
    ...jwt.map(({ file }) => file),
    ...jwtBundles.map(({ file }) => file),
  ]
}
