import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAccountIds } from '../../../../src/os/process/account-ids.ts'
import { temporaryFolder, writeIn } from '../../../fakes/folder.ts'

test('createAccountIds finds users and groups by name, the first of each', (t) => {
  const root = temporaryFolder(t)
  writeIn(
    root,
    'etc/passwd',
    'root:x:0:0::/:/bin/sh\nweb:x:33:34::/:\nweb:x:99:99::/:\nbad:x:y:1\n',
  )
  writeIn(root, 'etc/group', 'web:x:34:\nssl-cert:x:101:postgres\n')
  const ids = createAccountIds(root)
  assert.equal(ids.userId('root'), 0)
  assert.equal(ids.userId('web'), 33)
  assert.equal(ids.groupId('web'), 34)
  assert.equal(ids.groupId('ssl-cert'), 101)
  for (const none of ['', 'x', 'we', 'bad', 'constructor'])
    assert.equal(ids.userId(none), undefined)
})
