import type { Io, Terminal } from '../io.ts'

/** A text that is replaced in place on a terminal. */
export interface Screen {
  draw(text: string): void
  /** Leaves what is drawn, and the cursor below it. */
  close(): void
}

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const HOME = '\x1b[H'
const CLEAR_LINE_END = '\x1b[K'
const CLEAR_TO_END = '\x1b[J'

/** One write a frame, over the one before: nothing is cleared that is not written again, so nothing flickers. */
export function createScreen(io: Pick<Io, 'out'>, terminal: Terminal): Screen {
  let isOpen = false
  return {
    draw(text) {
      const lines = fit(text.trimEnd().split('\n'), terminal.size())
      const frame = lines.map((line) => line + CLEAR_LINE_END).join('\n')
      io.out((isOpen ? '' : HIDE_CURSOR) + HOME + frame + CLEAR_TO_END)
      isOpen = true
    },
    close() {
      if (isOpen) io.out(`${SHOW_CURSOR}\n`)
      isOpen = false
    },
  }
}

/** A line that wraps, or one too many, would move everything below the place it is written over. */
function fit(lines: readonly string[], size: ReturnType<Terminal['size']>): readonly string[] {
  const rows = Math.max(size.rows - 1, 2)
  const shown =
    lines.length <= rows
      ? lines
      : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`]
  return shown.map((line) => Array.from(line).slice(0, size.columns).join(''))
}
