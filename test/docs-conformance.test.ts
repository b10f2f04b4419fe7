/** docs/conformance.md is true: each rule has its tests or a reason, what it names is there, and no test of a rule is left out. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const page = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8')

/** Rules and vectors of parts 1 to 12 of the reference that concern an agent or its clients, by their family. */
const RULES = {
  ID: 22,
  XL: 14,
  XC: 12,
  XV: 10,
  BF: 16,
  BM: 4,
  JI: 15,
  JV: 14,
  WT: 30,
  WX: 10,
  WJ: 11,
  WW: 9,
}
const VECTORS = {
  'T-ID': 11,
  'T-XL': 8,
  'T-XC': 8,
  'T-XV': 10,
  'T-JI': 8,
  'T-JV': 11,
  'T-BF': 11,
  'T-WT': 10,
  'T-WX': 8,
  'T-WJ': 10,
  'T-WW': 7,
}
/** Of WIT-SVIDs, which are not there yet. */
const LATER = ['T-WW-2', 'T-WW-3', 'T-WW-4', 'T-WW-5', 'T-WW-7']
const REASONS = /^(?:construction: .+|not here: .+|later)$/

const idsOf = (families: Readonly<Record<string, number>>): string[] =>
  Object.entries(families).flatMap(([family, count]) =>
    Array.from({ length: count }, (_, index) => `${family}-${index + 1}`),
  )

interface TestFile {
  readonly path: string
  /** In the names of its tests. */
  readonly vectors: readonly string[]
  /** That names of its tests begin with. */
  readonly rules: readonly string[]
  /** That a comment says it is of, with the name of the page. */
  readonly said: readonly string[]
}

const ID = String.raw`[A-Z]{2}-\d+`
const all = (text: string, pattern: RegExp): string[] =>
  Array.from(text.matchAll(pattern), ([found]) => found)

const FILES: readonly TestFile[] = globSync('test/**/*.test.ts', { cwd: ROOT }).map((path) => {
  const text = readFileSync(join(ROOT, path), 'utf8')
  const names = Array.from(text.matchAll(/\btest\(\s*['"`]([^'"`]*)/g), ([, name = '']) => name)
  const named = new RegExp(`^${ID}(?:(?:, | and )${ID})*`)
  const said = new RegExp(`((?:${ID}(?:, | and )?)+) of docs/conformance\\.md`, 'g')
  const rule = new RegExp(`\\b(?<!T-)${ID}`, 'g')
  return {
    path,
    vectors: names.flatMap((name) => all(name, new RegExp(`\\bT-${ID}`, 'g'))),
    rules: names.flatMap((name) => all(named.exec(name)?.[0] ?? '', rule)),
    said: all(text, said).flatMap((each) => all(each, rule)),
  }
})

interface Row {
  readonly rule: string
  readonly heldBy: string
  readonly vectors: readonly string[]
  readonly files: readonly string[]
  /** A test that has the rule's own name, or that of another. */
  readonly named: readonly string[]
}

const chapter = /^## Rules$(.*?)^## /ms.exec(page)?.[1] ?? ''
const ROWS: readonly Row[] = Array.from(
  chapter.matchAll(new RegExp(`^\\| (${ID}) +\\| .*? \\| (.*?) *\\|$`, 'gm')),
  ([, rule = '', heldBy = '']) => {
    const items = REASONS.test(heldBy) ? [] : heldBy.split(', ')
    return {
      rule,
      heldBy,
      vectors: items.filter((item) => item.startsWith('T-')),
      files: items.filter((item) => item.startsWith('`')).map((item) => item.slice(1, -1)),
      named: items.filter((item) => new RegExp(`^${ID}$`).test(item)),
    }
  },
)

const tested = new Set(FILES.flatMap(({ vectors }) => vectors))

test('every vector is in the name of a test, and no test is of a vector that nobody knows', () => {
  const vectors = idsOf(VECTORS).filter((id) => !LATER.includes(id))
  assert.deepEqual(
    vectors.filter((id) => !tested.has(id)),
    [],
  )
  assert.deepEqual(
    [...tested].filter((id) => !vectors.includes(id)),
    [],
  )
})

test('the page names each family of vectors whole, and the files of test/vectors', () => {
  for (const [family, count] of Object.entries(VECTORS))
    assert(page.includes(`| ${family}-1 … ${family}-${count} `), family)
  for (const path of page.matchAll(/`(test\/[^`]*\.ts)`/g))
    assert(existsSync(join(ROOT, path[1] ?? '')), path[1])
  for (const { path, vectors } of FILES)
    if (vectors.length > 0) assert(page.includes(`\`${path}\``), path)
})

test('the page has a row for each rule, which names what holds it or says why nothing does', () => {
  assert.deepEqual(
    ROWS.map(({ rule }) => rule),
    idsOf(RULES),
  )
  for (const { rule, heldBy, vectors, files, named } of ROWS) {
    const count = REASONS.test(heldBy) ? 0 : heldBy.split(', ').length
    assert.equal(vectors.length + files.length + named.length, count, `${rule}: ${heldBy}`)
  }
})

test('what a row names is there, and says that it is of that rule', () => {
  for (const { rule, vectors, files, named } of ROWS) {
    for (const id of vectors) assert(tested.has(id), `${rule}: no test of ${id}`)
    for (const id of named) {
      const its = FILES.some(({ rules }) => rules.includes(id))
      assert(its, `${rule}: no test is named ${id}`)
    }
    for (const path of files) {
      const file = FILES.find((each) => each.path === path)
      assert(file?.said.includes(rule), `${path} does not say "${rule} of docs/conformance.md"`)
    }
  }
})

test('every vector that is tested, every test of a rule, and every file that says so is in a row', () => {
  const inRows = new Set(ROWS.flatMap(({ vectors }) => vectors))
  assert.deepEqual(
    [...tested].filter((id) => !inRows.has(id)),
    [],
  )
  const row = (rule: string): Row | undefined => ROWS.find((each) => each.rule === rule)
  for (const { path, rules, said } of FILES) {
    for (const rule of rules) assert(row(rule)?.named.includes(rule), `${path}: test of ${rule}`)
    for (const rule of said) assert(row(rule)?.files.includes(path), `${path} says ${rule}`)
  }
})
