/** What the examples add to Debian's units makes the files be there, and be the right user's, before they are read. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { BY_PATH } from '../docs/pages.ts'
import type { Unit } from './unit-file.ts'
import { readUnit } from './unit-file.ts'

const ONCE = /\/usr\/local\/bin\/spindle files --config (\S+) --once$/

function dropIn(example: string): Unit {
  const block = BY_PATH.get(`examples/${example}/README.md`)?.blocks.find(
    ({ info }) => info === 'ini',
  )
  assert(block)
  return readUnit(block.text)
}

/** Of a unit of Debian's package, where it is installed. */
function debianUnit(name: string): Unit | undefined {
  const path = `/lib/systemd/system/${name}`
  return existsSync(path) ? readUnit(readFileSync(path, 'utf8')) : undefined
}

test('nginx: the files are written before nginx -t reads them', () => {
  // A drop-in's lines come after those of the unit, unless an empty one takes these away.
  const [reset, first, ...after] = dropIn('nginx').get('ExecStartPre') ?? []
  assert.equal(reset, '')
  assert.match(first ?? '', ONCE)
  assert.deepEqual(after, debianUnit('nginx.service')?.get('ExecStartPre') ?? after)
})

test('PostgreSQL: the files are asked for as postgres, in a folder that is there', () => {
  const added = dropIn('postgresql')
  const [command = ''] = added.get('ExecStartPre') ?? []
  assert.match(command, ONCE)
  // The unit has no User=: pg_ctlcluster changes it.
  assert.equal(debianUnit('postgresql@.service')?.get('User'), undefined)
  assert.match(command, /^\/usr\/sbin\/runuser -u postgres -- /)
  for (const key of ['Wants', 'After'])
    assert.deepEqual(added.get(key), ['spindle-files@postgres.service'])
})
