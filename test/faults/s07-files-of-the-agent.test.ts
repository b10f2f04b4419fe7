/** S07: files and folders of the agent are its own alone, whatever the umask; a key file is judged as it was read. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFileSlotStore } from '../../src/authority/slot-file.ts'
import type { AuthorityEvent } from '../../src/authority/authority.ts'
import { openCaFiles } from '../../src/os/key-files.ts'
import { openStateFile } from '../../src/os/state-file.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { spindle } from '../e2e/rig/command.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig } from '../e2e/rig/rig.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { atScale } from './scale.ts'

const modeOf = (path: string): string => (lstatSync(path).mode & 0o777).toString(8)

test('S07: with umask 000 nobody else may read or write what the agent and its commands make', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    through: ['sh', '-c', 'umask 000 && exec "$0" "$@"'],
  })
  const written = join(rig.folder, 'written')
  mkdirSync(written)
  const umask = process.umask(0)
  try {
    const { code, err } = await spindle([
      'sds',
      'fetch',
      '--write',
      written,
      '--socket',
      agent.socket,
    ])
    assert.equal(code, 0, err)
  } finally {
    process.umask(umask)
  }
  const modes = Object.fromEntries(
    ['state', 'state/.lock', 'state/authority-embedded.json', 'state/authority-jwt.json']
      .concat(['run', 'run/agent.sock', 'run/admin', 'run/admin/admin.sock'])
      .map((name) => [name, modeOf(join(agent.folder, name))]),
  )
  assert.deepEqual(modes, {
    state: '700',
    'state/.lock': '600',
    'state/authority-embedded.json': '600',
    'state/authority-jwt.json': '600',
    run: '755',
    'run/agent.sock': '777',
    'run/admin': '700',
    'run/admin/admin.sock': '600',
  })
  const keys = readdirSync(written).filter((name) => name.endsWith('.key'))
  assert(keys.length > 0, 'keys were written')
  for (const name of keys) assert.equal(modeOf(join(written, name)), '600', name)
})

/** Without end: one and then the other of two files takes a name. */
const SWAPPING = `
const { copyFileSync, renameSync, statSync, chmodSync } = require('node:fs')
const [, name, ...files] = process.argv
for (let round = 0; ; round++) {
  const file = files[round % files.length]
  copyFileSync(file, name + '.new')
  chmodSync(name + '.new', statSync(file).mode)
  renameSync(name + '.new', name)
  if (round === 1) process.stdout.write('swapping')
}
`

test('S07: the mode of a CA key is that of the very file it was read from, while others take its name', async (t) => {
  const folder = temporaryFolder(t)
  const path = (name: string): string => join(folder, name)
  writeFileSync(path('closed'), 'closed', { mode: 0o600 })
  writeFileSync(path('open'), 'open', { mode: 0o644 })
  const swapper = spawn(process.execPath, ['-e', SWAPPING, ...['key', 'closed', 'open'].map(path)])
  try {
    await once(swapper.stdout, 'data')
    const files = openCaFiles(
      { certFile: path('closed'), keyFile: path('key'), bundleFile: undefined },
      systemClock,
    )
    const seen = new Set<string>()
    for (let read = 0; read < atScale(3_000, 100_000); read++) {
      const content = files.read()
      assert('keyFile' in content)
      seen.add(`${content.keyFile} ${(content.keyFileMode & 0o777).toString(8)}`)
    }
    assert.deepEqual([...seen].sort(), ['closed 600', 'open 644'])
  } finally {
    swapper.kill('SIGKILL')
    await once(swapper, 'exit')
  }
})

test('S07: a link in the place of the state file is neither read nor written through, and is told', async (t) => {
  const folder = temporaryFolder(t)
  const trustDomain = 'example.org' as TrustDomain
  for (const target of ['foreign', 'missing']) {
    if (target === 'foreign') writeFileSync(join(folder, target), 'of another')
    const path = join(folder, `to-${target}.json`)
    symlinkSync(target, path)
    const events: AuthorityEvent[] = []
    const store = createFileSlotStore(
      openStateFile(path, systemClock),
      { kind: 'embedded', trustDomain },
      { onEvent: (event) => events.push(event) },
    )
    assert.deepEqual(await store.load(), [])
    const [event] = events
    assert(event?.kind === 'state_set_aside' && event.reason.includes('ELOOP'), target)
    assert(lstatSync(event.movedTo).isSymbolicLink())
    await store.save([])
    assert(lstatSync(path).isFile())
    assert.equal(modeOf(path), '600')
  }
  assert.equal(readFileSync(join(folder, 'foreign'), 'utf8'), 'of another')
  assert(!existsSync(join(folder, 'missing')))
})
