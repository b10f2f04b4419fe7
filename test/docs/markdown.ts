/** The parts of a Markdown page that say something of the code. */

export interface Block {
  /** What stands behind the fence: `sh`, `yaml agent.yaml`. */
  readonly info: string
  readonly text: string
}

export interface Page {
  /** From the root of the repository: `docs/sds.md`. */
  readonly path: string
  readonly text: string
  readonly blocks: readonly Block[]
  /** Text between single backticks outside of blocks, on one line. */
  readonly code: readonly string[]
  readonly links: readonly string[]
  /** What a link to a heading of it may name. */
  readonly anchors: ReadonlySet<string>
}

const FENCE = /^```([^\n]*)\n(.*?)^```$/gms

export function readPage(path: string, text: string): Page {
  const blocks = Array.from(text.matchAll(FENCE), (m) => ({ info: m[1]!.trim(), text: m[2]! }))
  const prose = text.replaceAll(FENCE, '').replaceAll(/<!--.*?-->/gs, '')
  const headings = Array.from(prose.matchAll(/^#{1,6} +(.+)$/gm), (m) => m[1]!)
  return {
    path,
    text,
    blocks,
    code: Array.from(prose.matchAll(/`([^`]+)`/g), (m) => m[1]!.replaceAll(/\s+/g, ' ')),
    links: Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), (m) => m[1]!),
    anchors: new Set(anchorsOf(headings)),
  }
}

/** GitHub's: lower case, punctuation dropped, spaces to hyphens, a second one of the same text numbered. */
function anchorsOf(headings: readonly string[]): readonly string[] {
  const seen = new Map<string, number>()
  return headings.map((heading) => {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(anchor) ?? 0
    seen.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
}

/** Commands of the blocks a reader may type, without prompt, comment, who runs them and where their output goes. */
export function commandLines({ blocks }: Page): readonly string[] {
  return blocks
    .filter(({ info }) => ['sh', 'console'].includes(info))
    .flatMap(({ info, text }) => {
      const lines = text.split('\n')
      const typed = info === 'sh' ? lines : lines.filter((line) => line.startsWith('$ '))
      return typed
        .flatMap((line) =>
          line
            .replace(/^\$ /, '')
            .replace(/\s+#.*$/, '')
            .split(' | '),
        )
        .map((command) => command.replace(/\s+>\s*\S+$/, '').replace(/^sudo (-u \w+ )?/, ''))
    })
    .filter((line) => line.startsWith('spindle '))
}
