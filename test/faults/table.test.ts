/** docs/faults.md is true: what it names is there and is about that id, and every test of an id is named by it. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

interface Row {
  readonly id: string
  readonly tests: string
  readonly files: readonly string[]
}

const ROWS: readonly Row[] = Array.from(
  read('docs/faults.md').matchAll(/^\| ([RS]\d\d) \| [^|]* \| ([^|]*) \|/gm),
  ([, id = '', tests = '']) => ({
    id,
    tests: tests.trim(),
    files: Array.from(tests.matchAll(/`(test\/[^`]*)`/g), ([, file = '']) => file),
  }),
)

/** R01 to R24, S01 to S11. */
const IDS = [
  ['R', 24],
  ['S', 11],
] as const

test('docs/faults.md has a row for each id of the programme, which names tests or says why not', () => {
  const all = IDS.flatMap(([letter, last]) =>
    Array.from({ length: last }, (_, index) => `${letter}${String(index + 1).padStart(2, '0')}`),
  )
  assert.deepEqual(
    ROWS.map(({ id }) => id),
    all,
  )
  for (const { id, tests, files } of ROWS)
    assert(files.length > 0 || /^(?:comes with|not yet)/.test(tests), `${id}: ${tests}`)
})

test('every test that docs/faults.md names is there, and says the id it is named for', () => {
  const wrong = ROWS.flatMap(({ id, tests, files }) =>
    tests.startsWith('comes with')
      ? []
      : files.filter((file) => !existsSync(join(ROOT, file)) || !read(file).includes(id)),
  )
  assert.deepEqual(wrong, [])
})

test('every test that is named by an id is named in its row', () => {
  const named = globSync('test/{faults,fuzz}/[rs][0-9][0-9]-*.test.ts', { cwd: ROOT })
  assert(named.length > 20, `${named.length} found`)
  const missing = named.filter((file) => {
    const id = /\/([rs]\d\d)-/.exec(file)?.[1]?.toUpperCase()
    return ROWS.find((row) => row.id === id)?.files.includes(file) !== true
  })
  assert.deepEqual(missing, [])
})
