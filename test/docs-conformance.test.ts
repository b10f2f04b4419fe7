/** docs/conformance.md names every vector, each is the name of a test in a file that the page names, and the reverse. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const page = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8')

/** Vectors of parts 1 to 6 and 12 of the reference that an agent is measured by. */
const FAMILIES = {
  'T-ID': 11,
  'T-XL': 8,
  'T-XC': 8,
  'T-XV': 10,
  'T-JI': 8,
  'T-JV': 11,
  'T-BF': 11,
}
/** Of families that are not kept whole yet. */
const SINGLE = Object.entries({
  'T-WT': [1, 2, 4, 5, 6, 10],
  'T-WX': [1, 2, 3, 7],
  'T-WJ': [1, 2, 3, 4, 5, 6, 8],
  'T-WW': [1, 6],
}).flatMap(([family, numbers]) => numbers.map((number) => `${family}-${number}`))
const VECTORS = Object.entries(FAMILIES).flatMap(([family, count]) =>
  Array.from({ length: count }, (_, i) => `${family}-${i + 1}`),
)

/** The vectors that names of tests in `folder` begin with, by file. */
const tested = new Map(
  readdirSync(join(ROOT, 'test/vectors')).map((name) => {
    const path = `test/vectors/${name}`
    const names = readFileSync(join(ROOT, path), 'utf8').matchAll(
      /^test\('((?:T-[A-Z]+-\d+,? )+)/gm,
    )
    return [path, [...names].flatMap(([, ids]) => ids?.match(/T-[A-Z]+-\d+/g) ?? [])] as const
  }),
)

test('every vector of the parts an agent keeps to is the name of a test', () => {
  const all = new Set([...tested.values()].flat())
  assert.deepEqual(
    VECTORS.filter((id) => !all.has(id)),
    [],
  )
  assert.deepEqual(
    [...all].filter((id) => ![...VECTORS, ...SINGLE].includes(id)),
    [],
    'a vector that the page does not know',
  )
})

test('the page names each family whole, and the files in which it is tested', () => {
  for (const [family, count] of Object.entries(FAMILIES))
    assert(page.includes(`| ${family}-1 … ${family}-${count} `), family)
  for (const [path, ids] of tested) if (ids.length > 0) assert(page.includes(path), path)
})
