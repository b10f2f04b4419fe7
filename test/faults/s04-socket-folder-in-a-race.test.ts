/**
 * S04: another user races the agent for the folder of its socket. Folders that are unsafe, links, sockets that live or
 * are left over, and paths that are too long: test/unit/os/listen.test.ts, test/unit/os/safe-folder.test.ts and
 * test/e2e/agent-process-guards-itself.test.ts.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { openLibc } from '../../src/os/libc.ts'
import { listenUnix } from '../../src/os/listen.ts'
import { codeOf } from '../../src/runtime/errors.ts'
import { PYTHON, skip, startCaller } from '../e2e/attest-host.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { atScale } from './scale.ts'

const STARTS = atScale(300, 10_000)
const ATTACKER = 61_003

/** Without end: puts a folder, or a link to one, of its own in the agent's place, and moves what is there away. */
const RACING = `
import os, sys
place, own = sys.argv[1], sys.argv[2]
os.umask(0)
os.mkdir(own)
print('racing', flush=True)
def attempt(run):
    try:
        run()
    except OSError:
        pass
while True:
    attempt(lambda: os.mkdir(place))
    attempt(lambda: os.rename(place, own + '/moved'))
    attempt(lambda: os.rmdir(own + '/moved'))
    attempt(lambda: os.symlink(own, place))
    attempt(lambda: os.unlink(place))
    attempt(lambda: os.rmdir(place))
    attempt(lambda: os.unlink(place + '/agent.sock'))
`

test(`S04: ${STARTS} starts against a user who swaps the folder: the socket is the agent's own, in its own folder, or nowhere`, async (t) => {
  if (process.getuid?.() !== 0) return skip(t, 'needs root, to be another user')
  const scratch = temporaryFolder(t)
  chmodSync(scratch, 0o755)
  // As /tmp is: everyone may make names in it, and take away one's own alone.
  const shared = join(scratch, 'shared')
  mkdirSync(shared)
  chmodSync(shared, 0o1777)
  const place = join(shared, 'run')
  const path = join(place, 'agent.sock')
  const attackers = [1, 2].map((number) =>
    startCaller(t, { uid: ATTACKER }, [PYTHON, '-c', RACING, place, join(shared, `own-${number}`)]),
  )
  // Before the folder is removed, which they would not let be.
  const stop = async (): Promise<void> => {
    for (const { process: attacker } of attackers) {
      if (attacker.signalCode !== null) continue
      const over = once(attacker, 'exit')
      attacker.kill('SIGKILL')
      await over
    }
  }
  for (const attacker of attackers) assert.equal(await attacker.line(), 'racing')
  const count = { listening: 0, refused: 0 }
  try {
    await startOften(count, scratch, path)
  } finally {
    await stop()
  }
  t.diagnostic(`${count.listening} listening, ${count.refused} refused`)
  assert(count.listening > 0, 'the agent won sometimes')
  assert(count.refused > 0, 'and the attackers did')
})

async function startOften(
  count: { listening: number; refused: number },
  scratch: string,
  path: string,
): Promise<void> {
  const place = dirname(path)
  const libc = openLibc()
  for (let start = 0; start < STARTS; start++) {
    try {
      const listener = await listenUnix(libc, path, { mode: 0o777 })
      const folder = lstatSync(place)
      assert(folder.isDirectory() && folder.uid === 0, 'in a folder of our own')
      const socket = lstatSync(path)
      assert(socket.isSocket() && socket.uid === 0, 'a socket of our own')
      count.listening += 1
      listener.close({ remove: true })
    } catch (thrown) {
      if (thrown instanceof assert.AssertionError) throw thrown
      assert.equal(codeOf(thrown), 'socket_unusable', String(thrown))
      count.refused += 1
    }
    if (lstatSync(place, { throwIfNoEntry: false })?.uid !== 0) continue
    // Out of the attackers' way at once, for the next round.
    const gone = join(scratch, `gone-${start}`)
    renameSync(place, gone)
    rmSync(gone, { recursive: true })
  }
}
