// What test/interop needs beside Envoy: the Go modules of go-spiffe, compiled into Go's cache, and the Python package spiffe,
// pinned by hash in .ci/spiffe-python.txt, in the user's cache by pip. Where a machine cannot have one, its tests are skipped,
// each with a line; with CI=true it must.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))
const isCi = process.env.CI === 'true'

/** Whether it went well; where it did not, its output is told, and in CI that is the end. */
function run(what, command, args, options = {}) {
  const start = performance.now()
  process.stderr.write(`setup: ${what} … `)
  const result = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    ...options,
  })
  const passed = result.status === 0
  const took = `${((performance.now() - start) / 1000).toFixed(1)} s`
  const complaint = `${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`
  process.stderr.write(passed ? `${took}\n` : `failed\n${complaint}\n`)
  if (!passed && isCi) process.exit(1)
  return passed
}

const without = (what) => {
  process.stderr.write(`setup: ${what}\n`)
  if (isCi) process.exit(1)
}

const answers = (command, ...args) => spawnSync(command, args, { encoding: 'utf8' })

function go() {
  if (answers('go', 'version').status !== 0)
    return without('no Go (Debian: golang-go): tests with go-spiffe are skipped')
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly', GOWORK: 'off' }
  const cwd = 'test/interop/go-spiffe'
  run('go-spiffe (go build)', 'go', ['build', '-o', '/dev/null', '.'], { cwd, env })
}

function python() {
  const pins = '.ci/spiffe-python.txt'
  const command = ['python3', 'python'].find(
    (each) => answers(each, '-m', 'pip', '--version').status === 0,
  )
  if (command === undefined)
    return without('no Python with pip (Debian: python3-pip): its tests are skipped')
  // Wheels with machine code are made for one version of Python.
  const version = answers(command, '-c', 'import sys; print(sys.implementation.cache_tag)').stdout
  const digest = createHash('sha256').update(readFileSync(pins)).digest('hex').slice(0, 12)
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const home = join(cache, 'spindle', `spiffe-${version.trim()}-${digest}`)
  if (!existsSync(home)) {
    const fresh = `${home}.${process.pid}`
    mkdirSync(fresh, { recursive: true })
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
    const pinned = ['--require-hashes', '--target', fresh, '-r', pins]
    const installed = run('Python spiffe (pip)', command, [
      '-m',
      'pip',
      'install',
      ...quiet,
      ...pinned,
    ])
    if (installed && !existsSync(home)) renameSync(fresh, home)
    rmSync(fresh, { recursive: true, force: true })
  }
  mkdirSync('.cache', { recursive: true })
  // The command by its path: that of a test may be another.
  const path = answers(command, '-c', 'import sys; print(sys.executable)').stdout.trim()
  const found = existsSync(home) ? JSON.stringify({ command: path, packages: home }) : ''
  writeFileSync('.cache/python-spiffe.json', found)
}

go()
python()
