/*
 * What holds between keys of the config of `spindle files`. These run also where single keys are wrong, so that every fault
 * is told at once: a value that could not be read is then still as it was written, and whatever rests on it is passed over.
 */
import { resolve } from 'node:path'
import { pathText, shown } from '../fault.ts'
import type { Path } from '../fault.ts'
import { child, isMapping } from '../schema-node.ts'
import type { PathFault } from '../text/source-text.ts'

const X509_FILES = ['certFile', 'keyFile', 'bundleFile', 'combinedFile'] as const

export function crossFaults(file: unknown, folder: string): readonly PathFault[] {
  if (!isMapping(file)) return []
  const x509 = itemsOf(file, 'x509')
  return [
    ...nothingToDo(file),
    ...x509.flatMap(([path, item]) => x509Faults(path, item)),
    ...samePlaces(file, folder),
    ...afterFaults(file['after']),
  ]
}

type Item = readonly [path: Path, item: Readonly<Record<string, unknown>>]

function itemsOf(file: Readonly<Record<string, unknown>>, key: string): readonly Item[] {
  const list = file[key]
  if (!Array.isArray(list)) return []
  return list.flatMap((item: unknown, index) => (isMapping(item) ? [[[key, index], item]] : []))
}

function nothingToDo(file: Readonly<Record<string, unknown>>): readonly PathFault[] {
  const lists = ['x509', 'jwt', 'jwtBundles']
  const empty = lists.every((key) => {
    const list = file[key]
    return list === undefined || (Array.isArray(list) && list.length === 0)
  })
  return empty
    ? [
        {
          path: [],
          message: 'names no file; allowed: at least one item in x509, jwt or jwtBundles',
        },
      ]
    : []
}

function x509Faults(path: Path, item: Readonly<Record<string, unknown>>): readonly PathFault[] {
  const faults: PathFault[] = []
  const has = (key: string): boolean => item[key] !== undefined
  if (has('spiffeId') && has('hint'))
    faults.push({
      path: [...path, 'hint'],
      message: 'stands beside spiffeId; allowed: one of them',
    })
  if (has('certFile') !== has('keyFile')) {
    const missing = has('certFile') ? 'keyFile' : 'certFile'
    faults.push({
      path: [...path, missing],
      message: 'is missing; certFile and keyFile go together',
    })
  }
  if (!X509_FILES.some(has) && !has('federatedFolder'))
    faults.push({
      path,
      message:
        'names no file; allowed: certFile and keyFile, bundleFile, combinedFile or federatedFolder',
    })
  if (item['includeFederated'] === true && !has('bundleFile'))
    faults.push({
      path: [...path, 'includeFederated'],
      message: 'is about bundleFile, which is missing',
    })
  if (has('folder'))
    for (const key of X509_FILES) {
      const name = item[key]
      if (typeof name !== 'string' || isPlainName(name)) continue
      faults.push({
        path: [...path, key],
        message: `is ${shown(name)}; allowed beside folder: a name in it, without / and not beginning with ..`,
      })
    }
  return faults
}

const isPlainName = (name: string): boolean =>
  name !== '.' && !name.startsWith('..') && !name.includes('/')

interface Place {
  readonly path: Path
  readonly full: string
  /** The swapped folder it is a name in. */
  readonly within?: string
  /** It is such a folder: whatever else is written there would be in the way. */
  readonly swapped?: true
}

function samePlaces(file: Readonly<Record<string, unknown>>, folder: string): readonly PathFault[] {
  const places = placesOf(file, folder)
  return places.flatMap((place, index) => {
    const others = places.slice(0, index)
    const same = others.find(({ full }) => full === place.full)
    if (same !== undefined) {
      const message = `is the same place as ${pathText(same.path)}; allowed: each once`
      return [{ path: place.path, message }]
    }
    const other = others.find((one) => inTheWay(one, place) || inTheWay(place, one))
    if (other === undefined) return []
    const message = `is in the way of ${pathText(other.path)}; allowed: a folder that is swapped has nothing else in it`
    return [{ path: place.path, message }]
  })
}

const inTheWay = (place: Place, folder: Place): boolean =>
  folder.swapped === true &&
  place.within !== folder.full &&
  place.full.startsWith(`${folder.full}/`)

function placesOf(file: Readonly<Record<string, unknown>>, folder: string): readonly Place[] {
  const x509 = itemsOf(file, 'x509').flatMap(([path, item]) => {
    const own = resolvedIn(folder, item['folder'])
    const federated = resolvedIn(folder, item['federatedFolder'])
    return [
      ...place([...path, 'folder'], own, { swapped: true }),
      ...X509_FILES.flatMap((key) =>
        place(
          [...path, key],
          resolvedIn(own ?? folder, item[key]),
          own === undefined ? {} : { within: own },
        ),
      ),
      ...place([...path, 'federatedFolder'], federated, { swapped: true }),
    ]
  })
  const single = ['jwt', 'jwtBundles'].flatMap((key) =>
    itemsOf(file, key).flatMap(([path, item]) =>
      place([...path, 'file'], resolvedIn(folder, item['file'])),
    ),
  )
  return [...x509, ...single]
}

const place = (
  path: Path,
  full: string | undefined,
  more: Pick<Place, 'within' | 'swapped'> = {},
): readonly Place[] => (full === undefined ? [] : [{ path, full, ...more }])

function resolvedIn(folder: string, value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) return undefined
  return resolve(folder, value)
}

function afterFaults(after: unknown): readonly PathFault[] {
  if (!isMapping(after)) return []
  const has = (key: string): boolean => child(after, key) !== undefined
  if (has('command') === has('signal')) {
    const message = has('command')
      ? 'names both; allowed: command or signal'
      : 'names nothing to do; allowed: command or signal'
    return [{ path: ['after'], message }]
  }
  return []
}
