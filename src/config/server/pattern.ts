/**
 * Regular expressions that strangers' names are held to. JavaScript's own may take exponential time for some patterns, and anybody who
 * reaches the server could have them take it; these take a step for each character and place in the pattern, as Go's do.
 */
import { SpindleError } from '../../runtime/errors.ts'
import { PatternReader } from './pattern-reader.ts'
import type { Has, Part } from './pattern-reader.ts'

export interface Pattern {
  /** Whether the whole of `text` is of the pattern. */
  matches(text: string): boolean
}

type Step =
  | { readonly kind: 'one'; readonly has: Has }
  | { readonly kind: 'start' | 'end' | 'done' }
  /** Goes on at each of these. */
  | { readonly kind: 'jump'; to: readonly number[] }

const MOST_STEPS = 4_000

/**
 * Takes what both Go and JavaScript know: literals, `.`, classes, groups, `|`, `*`, `+`, `?`, `{n,m}`, `^`, `$`, `\d`, `\w`, `\s`.
 * No look-around, no references, no flags.
 * @throws SpindleError `config_invalid`
 */
export function parsePattern(text: string): Pattern {
  const steps: Step[] = []
  write(new PatternReader(text).whole(), steps)
  steps.push({ kind: 'done' })
  return { matches: (given) => run(steps, given) }
}

function write(part: Part, steps: Step[]): void {
  if (steps.length > MOST_STEPS) throw new SpindleError('config_invalid', 'repeats too much')
  if (part.kind === 'all') for (const one of part.of) write(one, steps)
  else if (part.kind === 'any') writeAny(part.of, steps)
  else if (part.kind === 'repeat') writeRepeat(part, steps)
  else steps.push(part)
}

function writeAny(parts: readonly Part[], steps: Step[]): void {
  const choice: Step & { kind: 'jump' } = { kind: 'jump', to: [] }
  steps.push(choice)
  const ends: (Step & { kind: 'jump' })[] = []
  choice.to = parts.map((part) => {
    const begin = steps.length
    write(part, steps)
    const end: Step & { kind: 'jump' } = { kind: 'jump', to: [] }
    steps.push(end)
    ends.push(end)
    return begin
  })
  for (const end of ends) end.to = [steps.length]
}

function writeRepeat({ of, least, most }: Part & { kind: 'repeat' }, steps: Step[]): void {
  for (let count = 0; count < least; count++) write(of, steps)
  const choices: (Step & { kind: 'jump' })[] = []
  for (let count = least; count < (most === Infinity ? least + 1 : most); count++) {
    const choice: Step & { kind: 'jump' } = { kind: 'jump', to: [] }
    const begin = steps.push(choice) - 1
    choices.push(choice)
    choice.to = [begin + 1]
    write(of, steps)
    if (most === Infinity) steps.push({ kind: 'jump', to: [begin] })
  }
  for (const choice of choices) choice.to = [...choice.to, steps.length]
}

/** All ways through the pattern at once, so that none is gone twice at one character. */
function run(steps: readonly Step[], text: string): boolean {
  let places: ReadonlySet<number> = reachable(steps, [0], { at: 0, text })
  for (let at = 0; at < text.length && places.size > 0; at++) {
    const code = text.charCodeAt(at)
    const next: number[] = []
    for (const place of places) {
      const step = steps[place]!
      if (step.kind === 'one' && step.has(code)) next.push(place + 1)
    }
    places = reachable(steps, next, { at: at + 1, text })
  }
  return places.has(steps.length - 1)
}

/** Where it can go on from `from` without another character. */
function reachable(
  steps: readonly Step[],
  from: readonly number[],
  { at, text }: { readonly at: number; readonly text: string },
): ReadonlySet<number> {
  const places = new Set(from)
  for (const place of places) {
    const step = steps[place]!
    if (step.kind === 'jump') for (const to of step.to) places.add(to)
    else if (step.kind === 'start' && at === 0) places.add(place + 1)
    else if (step.kind === 'end' && at === text.length) places.add(place + 1)
  }
  return places
}
