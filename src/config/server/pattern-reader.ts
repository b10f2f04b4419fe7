import { SpindleError } from '../../runtime/errors.ts'

/** Of a UTF-16 code unit. */
export type Has = (code: number) => boolean

export type Part =
  | { readonly kind: 'one'; readonly has: Has }
  | { readonly kind: 'all'; readonly of: readonly Part[] }
  | { readonly kind: 'any'; readonly of: readonly Part[] }
  | { readonly kind: 'repeat'; readonly of: Part; readonly least: number; readonly most: number }
  | { readonly kind: 'start' | 'end' }

const MOST_DEPTH = 32
const MOST_REPEATS = 255

/** Reads from the left, each rule of the grammar a method. */
export class PatternReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** @throws SpindleError `config_invalid` */
  whole(): Part {
    const whole = this.#alternatives(0)
    if (!this.#atEnd) throw this.#fault('a ) without its (')
    return whole
  }

  get #atEnd(): boolean {
    return this.#at === this.#text.length
  }

  #fault(what: string): SpindleError {
    return new SpindleError('config_invalid', `has ${what} at character ${this.#at + 1}`)
  }

  #alternatives(depth: number): Part {
    if (depth > MOST_DEPTH) throw this.#fault('too many groups in groups')
    const of = [this.#sequence(depth)]
    while (this.#take('|')) of.push(this.#sequence(depth))
    return { kind: 'any', of }
  }

  #sequence(depth: number): Part {
    const of: Part[] = []
    while (!this.#atEnd && !this.#sees('|') && !this.#sees(')')) of.push(this.#repeated(depth))
    return { kind: 'all', of }
  }

  #repeated(depth: number): Part {
    const of = this.#single(depth)
    const count = this.#count()
    if (count === undefined) return of
    // Whether as many or as few as can be are taken first says nothing of a whole match.
    this.#take('?')
    if (this.#count() !== undefined) throw this.#fault('a repetition of a repetition')
    return { kind: 'repeat', of, least: count[0], most: count[1] }
  }

  #count(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Infinity]
    if (this.#take('+')) return [1, Infinity]
    if (this.#take('?')) return [0, 1]
    if (!this.#sees('{')) return undefined
    const [all, least, comma, most] =
      /^\{(\d{1,3})(,?)(\d{0,3})\}/.exec(this.#text.slice(this.#at)) ?? []
    if (all === undefined || (comma === '' && most !== ''))
      throw this.#fault('a { that counts nothing')
    const [from, upTo] = [
      Number(least),
      most === '' ? (comma === '' ? Number(least) : Infinity) : Number(most),
    ]
    if (from > MOST_REPEATS || (upTo !== Infinity && (upTo > MOST_REPEATS || upTo < from)))
      throw this.#fault(`a count that is not up to ${MOST_REPEATS}`)
    this.#at += all.length
    return [from, upTo]
  }

  #single(depth: number): Part {
    if (this.#take('^')) return { kind: 'start' }
    if (this.#take('$')) return { kind: 'end' }
    if (this.#take('.')) return { kind: 'one', has: () => true }
    if (this.#take('(')) return this.#group(depth)
    if (this.#take('[')) return { kind: 'one', has: this.#class() }
    if ('*+?{'.includes(this.#text[this.#at] ?? '')) throw this.#fault('a repetition of nothing')
    return { kind: 'one', has: this.#character(']}') }
  }

  #group(depth: number): Part {
    if (this.#take('?') && !this.#take(':'))
      throw this.#fault('a group of a kind that is not supported')
    const inside = this.#alternatives(depth + 1)
    if (!this.#take(')')) throw this.#fault('a ( without its )')
    return inside
  }

  #class(): Has {
    const others = this.#take('^')
    const members: Has[] = []
    do {
      if (this.#atEnd || this.#sees('[')) throw this.#fault('a class that is not one')
      members.push(this.#member())
    } while (!this.#take(']'))
    return (code) => members.some((has) => has(code)) !== others
  }

  #member(): Has {
    const [all, from, to] = /^([^\\\]])-([^\\\]])/.exec(this.#text.slice(this.#at)) ?? []
    if (all === undefined) return this.#character(']')
    const [low, high] = [from!.charCodeAt(0), to!.charCodeAt(0)]
    if (low > high) throw this.#fault('a range that is none')
    this.#at += all.length
    return (code) => code >= low && code <= high
  }

  /** One character, or an escape that stands for some. */
  #character(special: string): Has {
    const character = this.#text[this.#at] ?? ''
    if (character === '' || special.includes(character))
      throw this.#fault(`a ${character} of its own`)
    this.#at++
    if (character !== '\\') return is(character)
    const escaped = this.#text[this.#at++] ?? ''
    const known = ESCAPES[escaped]
    if (known !== undefined) return known
    if (/^[A-Za-z0-9]?$/.test(escaped)) throw this.#fault('an escape that is not supported')
    return is(escaped)
  }

  #sees(character: string): boolean {
    return this.#text[this.#at] === character
  }

  #take(character: string): boolean {
    if (!this.#sees(character)) return false
    this.#at++
    return true
  }
}

const is = (character: string): Has => {
  const own = character.charCodeAt(0)
  return (code) => code === own
}
const within =
  (characters: RegExp): Has =>
  (code) =>
    characters.test(String.fromCharCode(code))

const ESCAPES: Readonly<Record<string, Has>> = {
  d: within(/[0-9]/),
  D: within(/[^0-9]/),
  w: within(/[0-9A-Za-z_]/),
  W: within(/[^0-9A-Za-z_]/),
  s: within(/[\t\n\f\r ]/),
  S: within(/[^\t\n\f\r ]/),
}
