import { posix } from 'node:path'
import { LAYERS } from './layers.ts'
import {
  BANNED,
  MOST_FILES,
  MOST_LINES,
  PURE_BANNED,
  PURE_NODE,
  UNBOUNDED_FOLDERS,
  VAGUE_NAMES,
} from './limits.ts'
import { OWNERS } from './owners.ts'

/** Files of src/ without gen/: path below src/ → text. */
export type Files = ReadonlyMap<string, string>

interface Import {
  /** As written. */
  readonly from: string
  /** What stands between `import` and `from`. */
  readonly names: string
  /** Path below src/, where it is one of its files. */
  readonly target: string | undefined
}

/** Everything in `files` that breaks a rule of layers.ts, a line each, with the reason of the rule. */
export function breaches(files: Files): readonly string[] {
  return [
    ...[...files].flatMap(([file, text]) => [
      ...importBreaches(file, importsOf(file, text)),
      ...textBreaches(file, text),
      ...nameBreaches(file),
    ]),
    ...folderBreaches(files),
    ...cycles(files),
  ]
}

/** `agent/accept` of `agent/accept/connection.ts`, `agent` of `agent/agent.ts`, `main` of `main.ts`. */
function folderOf(file: string): string {
  const folder = posix.dirname(file)
  return folder === '.' ? posix.basename(file, '.ts') : folder
}

/** The layer a file belongs to: its folder, else the nearest one above that has a row. */
function layerOf(file: string): string {
  let folder = folderOf(file)
  while (LAYERS[folder] === undefined && folder.includes('/')) folder = posix.dirname(folder)
  return folder
}

const STATIC = /^(?:import|export)\b([^'";]*?)\bfrom\s*'([^']+)'/gm
const BARE = /^import\s+'([^']+)'/gm
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g

export function importsOf(file: string, text: string): readonly Import[] {
  const code = withoutComments(text)
  const found = [
    ...Array.from(code.matchAll(STATIC), (m) => ({ names: m[1]!, from: m[2]! })),
    ...Array.from(code.matchAll(BARE), (m) => ({ names: '', from: m[1]! })),
    ...Array.from(code.matchAll(DYNAMIC), (m) => ({ names: '', from: m[1]! })),
  ]
  return found.map((one) => ({
    ...one,
    names: one.names.replace(/^\s*type\b/, ''),
    target: one.from.startsWith('.')
      ? posix.normalize(posix.join(posix.dirname(file), one.from))
      : undefined,
  }))
}

/** Whole-line comments only: what follows code on its line may be part of a string. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*(?:\/\/|\/\*|\*).*$/gm, '')
}

function importBreaches(file: string, imports: readonly Import[]): readonly string[] {
  const folder = layerOf(file)
  const layer = LAYERS[folder]
  if (layer === undefined)
    return [`src/${file}: the folder ${folder} has no row in test/architecture/layers.ts`]
  return imports.flatMap(({ from, names, target }) => {
    const breach = (reason: string): string[] => [`src/${file} imports ${from}: ${reason}`]
    if (target !== undefined || from.startsWith('#')) {
      const other =
        target === undefined ? 'gen' : target.startsWith('gen/') ? 'gen' : layerOf(target)
      if (target?.startsWith('..') === true) return breach('src stands by itself')
      if (other === folder || other === 'runtime' || layer.may.includes(other)) return []
      return breach(layer.reason)
    }
    const owner = OWNERS.find(({ name }) => from === name || from.startsWith(`${name}/`))
    if (owner !== undefined && !owner.folders.includes(folder)) return breach(owner.reason)
    if (layer.pure !== true) {
      const known = owner !== undefined || from.startsWith('node:')
      return known ? [] : breach('a package needs a row in OWNERS that says who may use it')
    }
    if (from.startsWith('node:') && PURE_NODE[from]?.test(names) !== true)
      return breach(`of node, a pure folder has buffer and crypto.hash only: ${layer.reason}`)
    return []
  })
}

function textBreaches(file: string, text: string): readonly string[] {
  const code = withoutComments(text)
  const found = BANNED.filter(
    ({ text: banned, except }) =>
      banned.test(code) && !except.some((place) => file === place || file.startsWith(place)),
  ).map(({ text: banned, reason }) => `src/${file} has ${banned.exec(code)?.[0].trim()}: ${reason}`)
  const layer = LAYERS[layerOf(file)]
  const impure = layer?.pure === true ? PURE_BANNED.exec(code) : null
  if (impure !== null) found.push(`src/${file} has ${impure[0]}: ${layer!.reason}`)
  const lines = text.split('\n').length - 1
  if (lines > MOST_LINES)
    found.push(`src/${file} has ${lines} lines: beyond ${MOST_LINES} a file is two`)
  return found
}

function nameBreaches(file: string): readonly string[] {
  const parts = file.replace(/\.ts$/, '').split(/[/.-]/)
  return VAGUE_NAMES.filter((name) => parts.includes(name)).map(
    (name) => `src/${file}: "${name}" says nothing of what is in it`,
  )
}

function folderBreaches(files: Files): readonly string[] {
  const counts = new Map<string, number>()
  for (const file of files.keys()) {
    const folder = posix.dirname(file)
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  return [...counts]
    .filter(([folder, count]) => count > MOST_FILES && !UNBOUNDED_FOLDERS.includes(folder))
    .map(
      ([folder, count]) =>
        `src/${folder} has ${count} files: beyond ${MOST_FILES} it is two folders`,
    )
}

/** Each cycle once, by the file at which a walk closes it. Imports of types count: they tie files together as well. */
function cycles(files: Files): readonly string[] {
  const found: string[] = []
  const done = new Set<string>()
  const walk = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      const ring = [...trail.slice(trail.indexOf(file)), file]
      found.push(`cycle: ${ring.map((name) => `src/${name}`).join(' → ')}`)
      return
    }
    if (done.has(file)) return
    for (const { target } of importsOf(file, files.get(file) ?? ''))
      if (target !== undefined && files.has(target)) walk(target, [...trail, file])
    done.add(file)
  }
  for (const file of files.keys()) walk(file, [])
  return found
}
