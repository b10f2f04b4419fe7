import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createScreen } from '../../../../src/cli/sds/screen.ts'

/** What a terminal of that size shows after what is written: enough of one for these sequences. */
function createTerminal(columns: number, rows: number) {
  let lines: string[] = ['$ spindle sds list --watch', 'older output', 'more of it']
  let cursor = { row: 3, column: 0 }
  let isCursorShown = true
  const out = (text: string): void => {
    // eslint-disable-next-line no-control-regex
    for (const [token] of text.matchAll(/\x1b\[\??\d*[A-Za-z]|\n|[^\x1b\n]+/gu)) {
      if (token === '\x1b[H') cursor = { row: 0, column: 0 }
      else if (token === '\x1b[K')
        lines[cursor.row] = (lines[cursor.row] ?? '').slice(0, cursor.column)
      else if (token === '\x1b[J') {
        lines = lines.slice(0, cursor.row + 1)
        lines[cursor.row] = (lines[cursor.row] ?? '').slice(0, cursor.column)
      } else if (token === '\x1b[?25l') isCursorShown = false
      else if (token === '\x1b[?25h') isCursorShown = true
      else if (token === '\n') cursor = { row: cursor.row + 1, column: 0 }
      else {
        const line = (lines[cursor.row] ?? '').padEnd(cursor.column)
        lines[cursor.row] =
          line.slice(0, cursor.column) + token + line.slice(cursor.column + token.length)
        cursor = { ...cursor, column: cursor.column + token.length }
        assert(cursor.column <= columns, `a line wraps: ${token}`)
      }
      assert(cursor.row < rows, 'the screen scrolls')
    }
  }
  const terminal = { size: () => ({ columns, rows }), onResize: () => () => undefined }
  return { out, terminal, lines: () => lines, isCursorShown: () => isCursorShown }
}

test('createScreen draws one text over the other and leaves nothing of the one before', () => {
  const { out, terminal, lines, isCursorShown } = createTerminal(40, 10)
  const screen = createScreen({ out }, terminal)
  screen.draw('a longer first line\ntwo\nthree\nfour\n')
  assert.deepEqual(lines(), ['a longer first line', 'two', 'three', 'four'])
  assert.equal(isCursorShown(), false)
  screen.draw('one\ntwo and more\n')
  assert.deepEqual(lines(), ['one', 'two and more'])
  screen.close()
  assert.deepEqual(lines().slice(0, 2), ['one', 'two and more'])
  assert.equal(isCursorShown(), true)
})

test('createScreen cuts what does not fit, and says how much that is', () => {
  const { out, terminal, lines } = createTerminal(12, 5)
  const screen = createScreen({ out }, terminal)
  screen.draw(['a line that is longer', '2', '3', '4', '5', '6'].join('\n'))
  assert.deepEqual(lines(), ['a line that ', '2', '3', '… 3 more lin'])
  screen.draw('1\n2\n3\n4\n')
  assert.deepEqual(lines(), ['1', '2', '3', '4'])
})

test('createScreen that was never drawn on writes nothing', () => {
  const { out, terminal, lines } = createTerminal(40, 10)
  const before = [...lines()]
  createScreen({ out }, terminal).close()
  assert.deepEqual(lines(), before)
})
