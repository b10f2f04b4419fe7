import { fsyncSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { openFolder } from './open-folder.ts'
import type { OpenFolder, PlaceRules } from './open-folder.ts'
import {
  isAsWanted,
  refuseFolder,
  removeLeftOvers,
  temporaryName,
  writeNew,
} from './staged-file.ts'
import type { PlacedFile } from './staged-file.ts'

/** A file with the folder it belongs to. */
export interface PlainFile extends PlacedFile {
  readonly folder: string
}

/**
 * Replaces files that belong together. All are written in full beside their places first, then renamed one directly after the
 * other, in the order given: a reader finds each file old or new and never a part, and a pair that does not fit for no longer
 * than a rename takes. What is as wanted already is not touched.
 * @returns whether anything has changed
 * @throws SpindleError `file_unwritable`; unless the renames had begun, everything is as it was
 */
export function placeFiles(files: readonly PlainFile[], rules: PlaceRules): boolean {
  const folders = new Map<string, OpenFolder>()
  try {
    for (const { folder } of files)
      if (!folders.has(folder)) folders.set(folder, openFolder(folder, rules))
    return attempt([...folders.keys()].join(', '), () => replace(files, folders, rules))
  } finally {
    for (const folder of folders.values()) folder.close()
  }
}

function replace(
  files: readonly PlainFile[],
  folders: ReadonlyMap<string, OpenFolder>,
  rules: PlaceRules,
): boolean {
  const staged: { readonly from: string; readonly to: string }[] = []
  try {
    for (const file of files) {
      const folder = folders.get(file.folder)
      if (folder === undefined) continue
      removeLeftOvers(folder, file.name)
      const to = `${folder.path}/${file.name}`
      if (isAsWanted(to, file, rules.owner)) continue
      refuseFolder(to, `${file.folder}/${file.name}`)
      const from = `${folder.path}/${temporaryName(file.name, rules)}`
      writeNew(from, file, rules)
      staged.push({ from, to })
    }
    for (const { from, to } of staged) renameSync(from, to)
  } catch (thrown) {
    for (const { from } of staged) rmSync(from, { force: true })
    throw thrown
  }
  // A rename is lasting once the folder that holds the name is written.
  const changed = new Set(staged.map(({ to }) => dirname(to)))
  for (const folder of folders.values()) if (changed.has(folder.path)) fsyncSync(folder.fd)
  return staged.length > 0
}

/** What the file system says of `place`, as an error of ours: paths in it are of /proc, so only what went wrong is kept. */
export function attempt<T>(place: string, run: () => T): T {
  try {
    return run()
  } catch (thrown) {
    if (thrown instanceof SpindleError) throw thrown
    const { code, syscall } = thrown as NodeJS.ErrnoException
    const why = code === undefined ? messageOf(thrown) : `${code}${syscall ? ` (${syscall})` : ''}`
    throw new SpindleError('file_unwritable', `${place} cannot be written to: ${why}`)
  }
}
