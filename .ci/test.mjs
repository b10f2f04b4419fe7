// Every suite in one run of node's test runner, under the pinned Node. Arguments are files or patterns instead of all.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))
const patterns = process.argv.slice(2)
const soak = process.env.SPINDLE_SOAK === '1'
const envoy = existsSync('.cache/envoy') ? readFileSync('.cache/envoy', 'utf8') : ''
const result = spawnSync(
  process.execPath,
  [
    '--test',
    `--test-concurrency=${soak ? 1 : 2}`,
    `--test-timeout=${soak ? 7_200_000 : 400_000}`,
    '--test-reporter=spec',
    ...(patterns.length > 0 ? patterns : ['test/**/*.test.ts']),
  ],
  {
    stdio: 'inherit',
    env: {
      SPINDLE_MAIN: 'dist/main.js',
      ...process.env,
      ENVOY_BIN: process.env.ENVOY_BIN || envoy,
    },
  },
)
process.exit(result.status ?? 1)
