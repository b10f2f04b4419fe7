/** Where this package lies: its files are found from here, whether the program runs as written or as built. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const PACKAGE_ROOT = rootFrom(import.meta.dirname)

function rootFrom(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const above = dirname(folder)
  if (above === folder) throw new Error('the package.json of Spindle is missing')
  return rootFrom(above)
}

/** The file that runs now: `src/main.ts` or `dist/main.js`. */
export const PROGRAM = join(
  PACKAGE_ROOT,
  import.meta.filename.endsWith('.ts') ? 'src/main.ts' : 'dist/main.js',
)
