import { SpindleError } from '../runtime/errors.ts'
import { holdsKeyText } from '../runtime/key-text.ts'

/** Keys and indices from the top of a file down to a value. */
export type Path = readonly (string | number)[]

/** One thing that is wrong with a file, or worth saying about it. */
export interface Fault {
  /** Such as `authority.caTtl` or `entries[3].selectors[0]`; '' is the file as a whole. */
  readonly path: string
  /** What the value is and what is allowed. */
  readonly message: string
  /** From 1; undefined where the value is not in the file. */
  readonly line?: number
  readonly column?: number
}

/** Lines of an error's message; all faults are in `faults`. */
const MOST_LINES = 100

/** All faults of one file at once; code `config_invalid`. */
export class ConfigError extends SpindleError {
  readonly file: string
  readonly faults: readonly Fault[]

  constructor(file: string, faults: readonly Fault[]) {
    const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`
    const rest = faults.length - MOST_LINES
    const lines = [
      `${file}: ${count}`,
      ...faults.slice(0, MOST_LINES).map(faultLine),
      ...(rest > 0 ? [`and ${rest} more`] : []),
    ]
    super('config_invalid', lines.join('\n  '))
    this.file = file
    this.faults = faults
  }
}

/** `svid.ttl: is 30; allowed: … (line 4, column 8)` */
export function faultLine(fault: Fault): string {
  const place = fault.line === undefined ? '' : ` (line ${fault.line}, column ${fault.column})`
  return `${fault.path === '' ? '' : `${fault.path}: `}${fault.message}${place}`
}

export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    if (!/^[A-Za-z_][\w-]{0,39}$/.test(part)) return `${text}[${shown(part)}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}

const LONGEST_SHOWN = 60

/** A value for a message: short, on one line, and never key material. */
export function shown(value: unknown): string {
  if (typeof value === 'string') {
    if (holdsKeyText(value)) return 'a private key (not shown)'
    const short = value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value
    return JSON.stringify(short)
  }
  if (value === null) return 'empty'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a mapping'
  return plain(value)
}

/** Text of a single value that is not secret. */
export function plain(value: unknown): string {
  return typeof value === 'string' ? value : String(JSON.stringify(value))
}

/** The name of `known` that `name` was most likely meant to be: at most a third of it is off, and at least one letter. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best
}

/** Optimal string alignment: a swap of neighbours counts once, since that is how keys are mistyped. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8 || a.length > 64) return Infinity
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, before[j - 2]! + 1)
      next.push(least)
    }
    before = row
    row = next
  }
  return row[b.length]!
}
