/** Every page of the documentation. */
import { readFileSync, readdirSync } from 'node:fs'
import { join, normalize } from 'node:path'
import type { Page } from './markdown.ts'
import { readPage } from './markdown.ts'

export const ROOT = join(import.meta.dirname, '../..')

const EXAMPLES = ['examples', 'examples/nginx', 'examples/postgresql']
const FOLDERS = ['.', 'docs', 'docs/decisions', 'envoy', ...EXAMPLES, 'helm', 'proto']

export const PAGES: readonly Page[] = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => {
      const path = normalize(join(folder, name))
      return readPage(path, readFileSync(join(ROOT, path), 'utf8'))
    }),
)

export const BY_PATH: ReadonlyMap<string, Page> = new Map(PAGES.map((page) => [page.path, page]))

/** `page: thing` for each thing that `find` finds fault with. */
export function faults(find: (page: Page) => readonly string[]): readonly string[] {
  return PAGES.flatMap((page) => find(page).map((thing) => `${page.path}: ${thing}`))
}
