/** Changes to what JSON and YAML hold: members taken out, doubled, renamed, moved, or made something else. */
import type { Draw } from './draw.ts'

export type Value = null | boolean | number | string | Value[] | { [name: string]: Value }

const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  '',
  'keys',
  'use',
  'file',
  'kind',
  'n\0',
] as const

function odd(draw: Draw): Value {
  const deep = (depth: number): Value => (depth === 0 ? 'deep' : [deep(depth - 1)])
  return draw.pick<Value>([
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    2 ** 53,
    '',
    ' ',
    'true',
    '1e9h',
    '30s',
    '../../etc/shadow',
    'spiffe://example.org/web',
    'spiffe://example.org/../web',
    'unix:uid:0',
    'x'.repeat(5_000),
    '\ud800',
    '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n',
    [],
    {},
    deep(draw.pick([3, 40, 200])),
    { __proto__: { polluted: true } },
  ])
}

/** Where a value is: what holds it, and under which name. */
interface Place {
  readonly holder: Value[] | { [name: string]: Value }
  readonly name: string
}

function places(value: Value): Place[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => [
    { holder: value, name },
    ...places(inner),
  ])
}

const at = ({ holder, name }: Place): Value =>
  (holder as Readonly<Record<string, Value>>)[name] ?? null

function set({ holder, name }: Place, value: Value): void {
  // A member of this name is one like any other in JSON.
  Object.defineProperty(holder, name, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  })
}

/** A copy of `value` with a few changes, some of them taken from `other`. */
export function mutateValue(draw: Draw, value: Value, other: Value): Value {
  const mutant = structuredClone(value)
  for (let change = 1 + draw.int(3); change > 0; change--) {
    const all = places(mutant)
    const donors = places(other)
    const place = all[draw.int(all.length)]
    const donor = donors[draw.int(donors.length)]
    if (place === undefined || donor === undefined) return odd(draw)
    const { holder, name } = place
    switch (draw.int(7)) {
      case 0:
        if (Array.isArray(holder)) holder.splice(Number(name), 1)
        else delete holder[name]
        break
      case 1:
        if (Array.isArray(holder)) holder.push(structuredClone(at(place)))
        else set({ holder, name: draw.pick(NAMES) }, structuredClone(at(place)))
        break
      case 2:
        set(place, structuredClone(at(donor)))
        break
      case 3:
        set(place, [at(place)])
        break
      case 4:
        if (!Array.isArray(holder)) set({ holder, name: donor.name }, structuredClone(at(donor)))
        break
      default:
        set(place, odd(draw))
    }
  }
  return mutant
}
