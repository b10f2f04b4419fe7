import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreBackup } from '#spindle/server/v1/backup_pb.js'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { status } from '../../../../src/runtime/grpc-status.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createBackupService } from '../../../../src/server/serve/backup.ts'
import { callsOf } from './called.ts'

const { backup } = StoreBackup.method

test('backup writes a copy and who asked for it where into the audit, before it answers; one that was not made is not there', async () => {
  const done: unknown[] = []
  let fault: SpindleError | undefined
  const service = createBackupService({
    store: {
      async backup(path) {
        if (fault !== undefined) throw fault
        done.push(path)
      },
    },
    audit: { write: (event: AuditEvent) => void done.push(event) },
    faulted: assert.fail,
  })
  const call = callsOf(service)
  assert.equal((await call(backup, { path: '/backups/a.db' })).path, '/backups/a.db')
  const line = {
    event: 'operated',
    caller: { kind: 'local', uid: 0, pid: 1 },
    method: '/spindle.server.v1.StoreBackup/Backup',
    action: 'backup',
    key: '/backups/a.db',
  }
  assert.deepEqual(done, ['/backups/a.db', line])
  fault = new SpindleError('unsupported', 'it has its own tools')
  await assert.rejects(call(backup, { path: '/backups/b.db' }), { code: status.UNIMPLEMENTED })
  await assert.rejects(call(backup, { path: 'b.db' }), { code: status.INVALID_ARGUMENT })
  assert.equal(done.length, 2)
})
