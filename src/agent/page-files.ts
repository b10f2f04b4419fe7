/** The files of the status page: which there are, and where each one lies. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PageFile } from '../http/page.ts'
import { readLimited } from '../os/files.ts'
import { PACKAGE_ROOT } from '../os/host/package-root.ts'

const HTML = 'text/html; charset=utf-8'
const STYLE = 'text/css; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'
const PICTURE = 'image/svg+xml'

const MOST_BYTES = 2 ** 20

export function pageFiles(): ReadonlyMap<string, PageFile> {
  const own = (path: string): string => join(PACKAGE_ROOT, path)
  const packaged = (path: string): string => fileURLToPath(import.meta.resolve(path))
  const files: readonly (readonly [path: string, type: string, place: string])[] = [
    ['/', HTML, own('src/page/index.html')],
    ['/page/style.css', STYLE, own('src/page/style.css')],
    ['/page/icon.svg', PICTURE, own('src/page/icon.svg')],
    ['/page/uplot.css', STYLE, packaged('uplot/dist/uPlot.min.css')],
    ['/page/uplot.js', SCRIPT, packaged('uplot/dist/uPlot.iife.min.js')],
    ['/page/main.js', SCRIPT, own('dist/page/main.js')],
  ]
  return new Map(
    files.map(([path, type, place]) => [
      path,
      { type, read: () => readLimited(place, MOST_BYTES) },
    ]),
  )
}
