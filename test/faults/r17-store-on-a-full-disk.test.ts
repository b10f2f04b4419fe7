/** R17: the disk of the store is full: what is there is read, changes are refused plainly, and it works again with space. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../fakes/folder.ts'

const PROGRAM = join(import.meta.dirname, 'store-on-small-disk.ts')

test('R17: a SQLite store on a full disk is read, refuses changes as store_unavailable, and takes them again with space', (t) => {
  const disk = 'mount -t tmpfs -o size=2m,mode=700 tmpfs "$0"'
  if (spawnSync('unshare', ['--mount', 'sh', '-c', disk, '/mnt']).status !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI may mount')
    t.skip('needs root and mount namespaces, to have a small disk')
    return
  }
  const folder = temporaryFolder(t)
  const args = [
    '--mount',
    'sh',
    '-c',
    `${disk} && exec "$@"`,
    folder,
    process.execPath,
    PROGRAM,
    folder,
  ]
  const ran = spawnSync('unshare', args, { encoding: 'utf8', timeout: 60_000 })
  assert.equal(ran.status, 0, ran.stderr)
  t.diagnostic(ran.stdout.trim())
})
