/**
 * The steps of examples/docker/Dockerfile, replayed in a folder: there is no registry of images here to build from. A step
 * that nobody has said how to replay fails the test.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { startChild } from '../../src/os/child.ts'
import { PAGES, ROOT } from '../docs/pages.ts'
import { leftIn, readDockerfile } from './dockerfile.ts'
import type { Instruction, Stage } from './dockerfile.ts'

const FOLDER = join(ROOT, 'examples/docker')
const stages = readDockerfile(readFileSync(join(FOLDER, 'Dockerfile'), 'utf8'))
const ignore = readFileSync(join(FOLDER, 'Dockerfile.dockerignore'), 'utf8')
const final = stages.at(-1)!
const only = (name: string): string => {
  const [one, second] = final.instructions.filter((each) => each.name === name)
  assert(one !== undefined && second === undefined, `one ${name}`)
  return one.text
}

const IGNORED_HERE: readonly string[] = ['.git', '.cache', 'node_modules', 'dist']

/** The files of the checkout that the build may see, below `folder`. */
function context(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (IGNORED_HERE.includes(path)) return []
    return entry.isDirectory() ? context(path) : leftIn(ignore, path) ? [path] : []
  })
}

/** Runs a command as a step; its output where it fails. */
function run(cwd: string, command: string, ...args: readonly string[]): string {
  const path = `${dirname(process.execPath)}:${process.env['PATH']}`
  const env = { ...process.env, PATH: path, NODE_ENV: '' }
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${error ?? ''}${stdout}${stderr}`)
  return stdout
}

class Replay {
  readonly root: string
  readonly #works = new Map<string, string>()

  constructor(root: string) {
    this.root = root
  }

  stage({ name, instructions }: Stage): void {
    let work = this.root
    for (const step of instructions)
      if (step.name === 'WORKDIR') {
        work = join(this.root, name === '' ? 'image' : name, step.text)
        mkdirSync(work, { recursive: true })
        this.#works.set(name, join(this.root, name))
      } else if (step.name === 'COPY') this.#copy(step, work)
      else if (step.name === 'RUN') this.#run(step.text, work)
      else assert.match(step.name, /^(?:USER|ENTRYPOINT|CMD|HEALTHCHECK)$/)
  }

  image(path: string): string {
    return join(this.root, 'image', path)
  }

  #copy({ text }: Instruction, work: string): void {
    const from = /^--from=(\S+) (\S+) (\S+)$/.exec(text)
    if (from !== null) {
      const [, stage = '', path = '', to = ''] = from
      cpSync(join(this.#works.get(stage)!, path), join(work, to), { recursive: true })
      return
    }
    const [to, ...sources] = text.split(' ').toReversed() as [string, ...string[]]
    const files = sources.includes('.') ? context('.') : sources
    for (const file of files) {
      assert(leftIn(ignore, file), `${file} is kept out by Dockerfile.dockerignore`)
      mkdirSync(dirname(join(work, to, file)), { recursive: true })
      copyFileSync(join(ROOT, file), join(work, to, file))
    }
  }

  #run(text: string, work: string): void {
    switch (text) {
      case 'npm ci':
        // As the checkout has them: of this very lock, as .ci/setup.mjs sees to.
        symlinkSync(join(ROOT, 'node_modules'), join(work, 'node_modules'))
        return
      case 'npm run build':
        // Made anew only if it was made from other files than the build is given here: the stamps tell.
        for (const made of ['dist', 'src/gen'])
          if (existsSync(join(ROOT, made)))
            cpSync(join(ROOT, made), join(work, made), { recursive: true })
        run(work, process.execPath, '.ci/setup.mjs')
        return
      case 'npm ci --omit=dev --ignore-scripts':
        run(work, 'npm', ...text.split(' ').slice(1), '--prefer-offline')
        return
    }
    for (const command of text.split(/ && ?/)) this.#command(command.trim(), work)
  }

  #command(command: string, work: string): void {
    const [name = '', ...args] = command.split(' ')
    const last = args.at(-1) ?? ''
    switch (name) {
      case 'apt-get':
      case 'rm':
      case 'groupadd':
      case 'useradd':
        // Of the machine, not of a folder; the ids are used below.
        return
      case 'setcap':
        mkdirSync(dirname(this.image(last)), { recursive: true })
        copyFileSync(process.execPath, this.image(last))
        chmodSync(this.image(last), 0o755)
        run(work, 'setcap', args[0] ?? '', this.image(last))
        return
      case 'install':
        run(work, 'install', ...args.slice(0, -1), '-D', this.image(last))
        return
      case 'chmod':
        run(work, 'chmod', ...args)
        return
      case 'ln':
        run(work, 'ln', '-s', this.image(args[1] ?? ''), this.image(last))
        return
      default:
        assert.fail(`no replay of ${name}`)
    }
  }
}

test('Dockerfile: every stage starts from the Node that is pinned', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  for (const { image } of stages)
    assert.equal(image, `node:${devDependencies['node']}-bookworm-slim`)
})

test('the documentation says that the image itself was not built', () => {
  const page = PAGES.find(({ path }) => path === 'docs/install.md')!
  assert.match(page.text, /The image itself was not built/)
})

test('Dockerfile: its steps give an agent that runs as another user with one capability, and no package for development', async (t) => {
  const tools = ['setpriv', 'setcap', 'npm']
  const missing =
    process.getuid?.() !== 0
      ? 'root'
      : tools.find((tool) => spawnSync(tool, ['--version']).error !== undefined)
  if (missing !== undefined && process.env['CI'] !== 'true') return t.skip(`needs ${missing}`)
  const root = mkdtempSync(join(tmpdir(), 'spindle-docker-'))
  t.after(() => rmSync(root, { recursive: true }))
  chmodSync(root, 0o755)
  const replay = new Replay(root)
  for (const stage of stages) replay.stage(stage)

  const installed = readdirSync(replay.image('app/node_modules'))
  for (const name of ['typescript', 'prettier', 'oxlint', 'node'])
    assert(!installed.includes(name), `${name} is in the image`)
  assert(installed.includes('@grpc') && installed.includes('koffi'))
  assert(!existsSync(replay.image('app/src/main.ts')), 'only what runs is in the image')

  const [uid = '', gid = ''] = only('USER').split(':')
  assert.match(uid, /^[1-9]\d*$/)
  const [program = ''] = JSON.parse(only('ENTRYPOINT')) as string[]
  const [command = '', ...rest] = JSON.parse(only('CMD')) as string[]
  const env = { PATH: `${dirname(replay.image(program))}:/usr/bin:/bin` }
  // What a runtime gives to a user that is not root with --cap-drop ALL --cap-add SYS_PTRACE.
  const privileges = ['--clear-groups', '--bounding-set=-all,+sys_ptrace', '--inh-caps=-all']
  const contained = (...args: readonly string[]): readonly string[] => [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    ...privileges,
    replay.image(program),
    ...args,
  ]
  const version = spawnSync('setpriv', contained('--version'), { env, encoding: 'utf8' })
  assert.equal(version.status, 0, version.stderr)
  assert.match(version.stdout, /^\d+\.\d+\.\d+/)

  const config = replay.image('etc/spindle/agent.yaml')
  mkdirSync(dirname(config), { recursive: true })
  writeFileSync(join(dirname(config), 'entries.yaml'), 'entries: []\n')
  const at = (path: string): string => replay.image(path)
  writeFileSync(
    config,
    stringify({
      trustDomain: 'example.org',
      socket: at('run/spindle/agent.sock'),
      admin: { socket: at('run/spindle/admin/admin.sock') },
      http: { listen: '127.0.0.1:0' },
      stateDir: at('var/lib/spindle'),
      entries: { file: 'entries.yaml' },
      log: { level: 'error', format: 'text' },
    }),
  )
  assert.deepEqual([command, ...rest], ['agent', '--config', '/etc/spindle/agent.yaml'])
  const agent = await startChild('setpriv', contained(command, '--config', config), { env })
  t.after(() => agent.stop())
  await agent.line((line) => line.startsWith('{"ready":true'))

  const socket = ['--admin-socket', at('run/spindle/admin/admin.sock')]
  const ask = (...args: readonly string[]): string => {
    const asked = spawnSync('setpriv', contained(...args, ...socket), { env, encoding: 'utf8' })
    assert.equal(asked.status, 0, asked.stderr)
    return asked.stdout
  }
  const [health = '', ...status] = JSON.parse(only('HEALTHCHECK').replace(/^CMD /, '')) as string[]
  assert.equal(basename(health), basename(program))
  assert.match(ask(...status), /ready/)
  // Its file gives the agent the capability: a process of ours is known by what it runs.
  const said = ask('sds', 'explain', '--pid', String(process.pid), '-o', 'json')
  const { selectors } = JSON.parse(said) as { selectors: readonly string[] }
  assert(selectors.includes(`unix:uid:${process.getuid?.()}`))
  assert(
    selectors.some((one) => one.startsWith('unix:path:')),
    said,
  )
})
