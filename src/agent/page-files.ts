/** The files of the status page: which there are, and where each one lies. */
import { fileURLToPath } from 'node:url'
import type { PageFile } from '../http/page.ts'
import { readLimited } from '../os/files.ts'

const HTML = 'text/html; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'
const PICTURE = 'image/svg+xml'

const MOST_BYTES = 2 ** 20
/** The same for this file as it was written and as it was built. */
const PACKAGE = '../../'

const MODULES = [
  'charts',
  'dom',
  'entries',
  'events',
  'main',
  'overview',
  'sidecars',
  'table',
  'text',
  'trust',
] as const

export function pageFiles(): ReadonlyMap<string, PageFile> {
  const own = (path: string): URL => new URL(PACKAGE + path, import.meta.url)
  const packaged = (path: string): URL => new URL(import.meta.resolve(path))
  const files: readonly (readonly [path: string, type: string, place: URL])[] = [
    ['/', HTML, own('src/page/index.html')],
    ['/page/style.css', STYLE, own('src/page/style.css')],
    ['/page/icon.svg', PICTURE, own('src/page/icon.svg')],
    ['/page/uplot.css', STYLE, packaged('uplot/dist/uPlot.min.css')],
    ['/page/uplot.js', SCRIPT, packaged('uplot/dist/uPlot.iife.min.js')],
    ...MODULES.map((name) => [`/page/${name}.js`, SCRIPT, own(`dist/page/${name}.js`)] as const),
  ]
  return new Map(
    files.map(([path, type, place]) => [
      path,
      { type, read: () => readLimited(fileURLToPath(place), MOST_BYTES) },
    ]),
  )
}
