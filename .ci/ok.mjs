// npm run ok: format, types, lint, unused code and unit tests beside each other; what a step says is shown where it fails.
import { spawn } from 'node:child_process'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))
// All files of a half share one process, which then starts from what the last run compiled.
const tests = (half) => [
  `unit tests ${half}`,
  [
    process.execPath,
    '--test',
    '--test-isolation=none',
    '--test-reporter=dot',
    '--test-timeout=120000',
    `--test-shard=${half}`,
    'test/unit/**/*.test.ts',
    'test/*.test.ts',
  ],
]
// Of its own: a run of prettier without it removes the one that is there by itself.
const CACHE = '--cache-location=.cache/prettier'
const lanes = [
  [tests('1/2')],
  [tests('2/2')],
  [
    ['format', ['prettier', '--check', '--cache', CACHE, '--log-level=warn', '.']],
    ['types', ['tsc', '--noEmit', '--incremental', '--tsBuildInfoFile', '.cache/types.json']],
    ['lint', ['oxlint']],
    ['unused code', ['knip']],
  ],
]
const env = {
  ...process.env,
  PATH: `${join(process.cwd(), 'node_modules/.bin')}:${process.env.PATH}`,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(process.cwd(), '.cache/compiled'),
}

function run([name, [command, ...args]]) {
  const begun = performance.now()
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => said.push(text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      const took = `${((performance.now() - begun) / 1000).toFixed(1)} s`
      console.log(`${code === 0 ? '✔' : '✖'} ${name} (${took})`)
      if (code !== 0) process.stdout.write(Buffer.concat(said))
      resolve(code === 0)
    })
  })
}

const held = await Promise.all(
  lanes.map(async (steps) => {
    let all = true
    for (const step of steps) all = (await run(step)) && all
    return all
  }),
)
process.exitCode = held.every(Boolean) ? 0 : 1
