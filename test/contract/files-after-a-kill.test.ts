/** What is on disk when the writer is killed at any moment, and what a reader sees while it writes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { placeFiles } from '../../src/os/place/place-files.ts'
import { swapFolder } from '../../src/os/place/swap-folder.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { createSeededRandom } from '../fakes/random.ts'

const random = createSeededRandom('killed')
const RULES = {
  uid: process.geteuid?.() ?? 0,
  owner: { uid: undefined, gid: undefined },
  shared: false,
  unique: () => random.bytes(8).toString('hex'),
}
const ROUNDS = 6
const NAMES = ['tls.key', 'tls.pem']

/** Runs the writer, and `look` while it writes; kills it after some milliseconds. */
async function writeAndKill(kind: string, folder: string, look: () => void): Promise<void> {
  const program = join(import.meta.dirname, 'writer-process.ts')
  const child = spawn(process.execPath, [program, kind, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  const end = performance.now() + 10 + 60 * random.fraction()
  while (performance.now() < end) {
    if (existsSync(join(folder, 'tls.pem'))) look()
    await pause(1)
  }
  child.kill('SIGKILL')
  await ended
}

/** The digit a whole file is made of. */
function wordOf(path: string): string {
  const text = readFileSync(path, 'utf8')
  assert.match(text, /^(\d)\1{99999}$/, 'a part of a file')
  return text.slice(0, 1)
}

test('plain files are each old or new and never a part, also after a kill; the next run makes a pair of them', async (t) => {
  const folder = temporaryFolder(t)
  for (let round = 0; round < ROUNDS; round++) {
    await writeAndKill('plain', folder, () => NAMES.map((name) => wordOf(join(folder, name))))
    for (const name of NAMES) wordOf(join(folder, name))
    const files = NAMES.map((name) => ({ folder, name, content: `${round}`, mode: 0o600 }))
    placeFiles(files, RULES)
    assert.deepEqual(readdirSync(folder).sort(), NAMES, 'nothing is left over')
    for (const name of NAMES) assert.equal(readFileSync(join(folder, name), 'utf8'), `${round}`)
    placeFiles(
      files.map((file) => ({ ...file, content: '0'.repeat(100_000) })),
      RULES,
    )
  }
})

test('files of a swapped folder are always a pair for whoever follows the link once, also after a kill', async (t) => {
  const folder = join(temporaryFolder(t), 'svid')
  const pairOf = (path: string): void => {
    const [key, cert] = NAMES.map((name) => wordOf(join(path, name)))
    assert.equal(key, cert)
  }
  let seen = 0
  for (let round = 0; round < ROUNDS; round++) {
    await writeAndKill('swapped', folder, () => {
      const path = realpathSync(join(folder, '..data'))
      try {
        pairOf(path)
        seen += 1
      } catch (thrown) {
        // Two swaps later they are gone: that is a reader too slow for a writer that never rests.
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
      }
    })
    pairOf(join(folder, '..data'))
    swapFolder(
      folder,
      NAMES.map((name) => ({ name, content: '0'.repeat(100_000), mode: 0o600 })),
      RULES,
    )
    assert(readdirSync(folder).length <= 5, `left over: ${readdirSync(folder).join(' ')}`)
  }
  assert(seen > 0, 'no pair was read while the writer wrote')
})
