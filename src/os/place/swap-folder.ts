import {
  chmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import type { OpenFolder, PlaceRules } from './open-folder.ts'
import { openFolder, openWithin } from './open-folder.ts'
import { attempt } from './place-files.ts'
import {
  isAsWanted,
  refuseFolder,
  removeLeftOvers,
  temporaryName,
  writeNew,
} from './staged-file.ts'
import type { PlacedFile } from './staged-file.ts'

/** The link that leads to the files in force, as in volumes of Kubernetes. */
const DATA = '..data'
const GENERATION = /^\.\.[0-9a-f]{16}$/

/**
 * Replaces all files of a folder in one instant: they are written to a new folder within it, and the link `..data` is renamed
 * over to lead there; each file is reached through a link `NAME → ..data/NAME`. Names that are not in `files` any more go. The
 * files before these stay until the next time, for readers that have followed the link and are still reading.
 * @returns whether anything has changed
 * @throws SpindleError `file_unwritable`; unless the link was swapped, everything is as it was
 */
export function swapFolder(path: string, files: readonly PlacedFile[], rules: PlaceRules): boolean {
  const folder = openFolder(path, rules)
  try {
    return attempt(path, () => swap(folder, { path, files, rules }))
  } finally {
    folder.close()
  }
}

interface Wanted {
  readonly path: string
  readonly files: readonly PlacedFile[]
  readonly rules: PlaceRules
}

function swap(folder: OpenFolder, wanted: Wanted): boolean {
  const { path, files, rules } = wanted
  for (const { name } of files) refuseFolder(`${folder.path}/${name}`, `${path}/${name}`)
  for (const name of [DATA, ...files.map((file) => file.name)]) removeLeftOvers(folder, name)
  const before = linkOf(`${folder.path}/${DATA}`)
  const isCurrent = before !== undefined && holds(folder, before, wanted)
  const generation = isCurrent ? before : writeGeneration(folder, wanted)
  if (!isCurrent) placeLink(folder, { name: DATA, target: generation, rules })
  const linked = files.map(({ name }) =>
    placeLink(folder, { name, target: `${DATA}/${name}`, rules }),
  )
  const removed = removeOthers(folder, {
    names: files.map(({ name }) => name),
    keep: [generation, before],
  })
  const changed = !isCurrent || removed || linked.includes(true)
  if (changed) fsyncSync(folder.fd)
  return changed
}

/** Whether the files in force are just these. */
function holds(folder: OpenFolder, generation: string, { files, rules }: Wanted): boolean {
  if (!GENERATION.test(generation)) return false
  const path = `${folder.path}/${generation}`
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return false
  return (
    readdirSync(path).length === files.length &&
    files.every((file) => isAsWanted(`${path}/${file.name}`, file, rules.owner))
  )
}

function writeGeneration(folder: OpenFolder, { files, rules }: Wanted): string {
  const name = `..${rules.unique()}`
  const path = `${folder.path}/${name}`
  mkdirSync(path, { mode: 0o700 })
  try {
    const within = openWithin(path)
    try {
      for (const file of files) writeNew(`${within.path}/${file.name}`, file, rules)
      // Whatever the umask; the files have modes of their own.
      chmodSync(within.path, 0o755)
      fsyncSync(within.fd)
    } finally {
      within.close()
    }
  } catch (thrown) {
    rmSync(path, { recursive: true, force: true })
    throw thrown
  }
  return name
}

/** Whether it had to be changed. */
function placeLink(
  folder: OpenFolder,
  {
    name,
    target,
    rules,
  }: { readonly name: string; readonly target: string; readonly rules: PlaceRules },
): boolean {
  const path = `${folder.path}/${name}`
  if (linkOf(path) === target) return false
  const temporary = `${folder.path}/${temporaryName(name, rules)}`
  symlinkSync(target, temporary)
  renameSync(temporary, path)
  return true
}

/** Names that led to files of before, and folders of files that nobody can still be reading. Whether a name went. */
function removeOthers(
  folder: OpenFolder,
  {
    names,
    keep,
  }: { readonly names: readonly string[]; readonly keep: readonly (string | undefined)[] },
): boolean {
  let removed = false
  for (const entry of readdirSync(folder.path)) {
    const path = `${folder.path}/${entry}`
    if (GENERATION.test(entry) && !keep.includes(entry))
      rmSync(path, { recursive: true, force: true })
    if (names.includes(entry) || linkOf(path) !== `${DATA}/${entry}`) continue
    unlinkSync(path)
    removed = true
  }
  return removed
}

/** undefined for what is no link. */
function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
