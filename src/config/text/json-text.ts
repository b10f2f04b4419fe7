import { messageOf } from '../../runtime/errors.ts'
import type { Fault } from '../fault.ts'
import type { Source } from './source-text.ts'

/**
 * Reads JSON far faster than the YAML reader does, which is what large entries files need. A key that stands twice in
 * one object is a fault: JSON.parse would keep the last one, and a reader may see the first.
 */
export function readJson(text: string): Source {
  const plain = text.replace(/^\uFEFF/, '')
  let value: unknown
  try {
    value = JSON.parse(plain)
  } catch (error) {
    // V8 quotes the text around the fault, which may be a pasted key: only its position is kept.
    const offset = Number(/position (\d+)/.exec(messageOf(error))?.[1] ?? plain.length)
    return broken({ path: '', message: 'is not valid JSON from here on', ...place(plain, offset) })
  }
  const twice = doubledKey(plain)
  if (twice !== undefined)
    return broken({ path: '', message: twice.message, ...place(plain, twice.offset) })
  return { value, faults: [], locate: () => undefined }
}

function broken(fault: Fault): Source {
  return { value: undefined, faults: [fault], locate: () => undefined }
}

function place(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  return {
    line: before.split('\n').length,
    column: offset - (before.lastIndexOf('\n') + 1) + 1,
  }
}

/** Walks valid JSON by its strings and brackets alone. */
function doubledKey(text: string): { message: string; offset: number } | undefined {
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g
  const open: Set<string>[] = []
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found, colon] = match
    if (found === '{') open.push(new Set())
    else if (found === '}') open.pop()
    else if (colon !== undefined) {
      const key = JSON.parse(found.slice(0, -colon.length)) as string
      const offset = match.index
      if (key === '__proto__')
        return { message: 'the key "__proto__" is not allowed anywhere', offset }
      const keys = open.at(-1)
      if (keys?.has(key) === true) return { message: 'a key stands twice in one object', offset }
      keys?.add(key)
    }
  }
  return undefined
}
