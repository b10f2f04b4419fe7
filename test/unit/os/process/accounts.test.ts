import assert from 'node:assert/strict'
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createAccounts, parseNames } from '../../../../src/os/process/accounts.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'

test('parseNames takes the first name of an id, and no NIS line, comment or broken line', () => {
  const names = parseNames(
    [
      'root:x:0:0::/root:/bin/sh',
      'toor:x:0:0::/root:/bin/sh',
      '+nis:x:5:5',
      '-no:x:6:6',
      '# c:x:7:7',
      'short',
      'bad:x:1x:1',
      'empty:x::1',
      ':x:8:8',
      'web:x:1001:1001::/:',
      '',
    ].join('\n'),
  )
  assert.deepEqual(
    [...names],
    [
      [0, 'root'],
      [1001, 'web'],
    ],
  )
})

test('accounts read passwd and group below their root, and again when they were replaced', (t) => {
  const root = temporaryFolder(t)
  writeIn(root, 'etc/passwd', 'web:x:1001:1::/:\n')
  writeIn(root, 'etc/group', 'staff:x:50:web\n')
  const accounts = createAccounts(root)
  assert.equal(accounts.userName(1001), 'web')
  assert.equal(accounts.userName(50), undefined)
  assert.equal(accounts.groupName(50), 'staff')
  renameSync(writeIn(root, 'etc/passwd.new', 'api:x:1001:1::/:\n'), join(root, 'etc/passwd'))
  assert.equal(accounts.userName(1001), 'api')
})

test('accounts throw while a file cannot be read, instead of saying that nobody has a name', (t) => {
  const root = temporaryFolder(t)
  const path = writeIn(root, 'etc/passwd', 'web:x:1001:1::/:\n')
  const accounts = createAccounts(root)
  assert.equal(accounts.userName(1001), 'web')
  rmSync(path)
  assert.throws(() => accounts.userName(1001), { code: 'ENOENT' })
  assert.throws(() => accounts.groupName(1), { code: 'ENOENT' })
})
