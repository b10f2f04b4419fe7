// The long forms of the tests: those that ask test/faults/scale.ts how much to do, and the models. One at a time, hours allowed.
// Arguments are files or patterns instead of all.
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))
const hasLongForm = (file) =>
  file.startsWith('test/model/') || readFileSync(file, 'utf8').includes("/scale.ts'")
const files = readdirSync('test', { recursive: true })
  .map((name) => join('test', name))
  .filter((file) => file.endsWith('.test.ts') && hasLongForm(file))
  .sort()
const patterns = process.argv.slice(2)
const result = spawnSync(
  process.execPath,
  ['.ci/test.mjs', ...(patterns.length > 0 ? patterns : files)],
  { stdio: 'inherit', env: { ...process.env, SPINDLE_SOAK: '1', SPINDLE_FULL: '1' } },
)
process.exit(result.status ?? 1)
