/** spindle.server.v1.StoreBackup: a copy of the store while it is in use. Whose call this is may read all of it anyway. */
import { isAbsolute } from 'node:path'
import { StoreBackup } from '#spindle/server/v1/backup_pb.js'
import { SpindleError } from '../../runtime/errors.ts'
import type { Store } from '../../store/port.ts'
import type { Audit } from '../audit/audit.ts'
import type { ApiService, Faulted } from './service.ts'
import { unaryService } from './service.ts'

export function createBackupService({
  store,
  audit,
  faulted,
}: {
  readonly store: Pick<Store, 'backup'>
  readonly audit: Audit
  readonly faulted: Faulted
}): ApiService {
  return unaryService(
    StoreBackup,
    {
      async backup({ path }, { caller, method }) {
        if (!isAbsolute(path)) throw new SpindleError('request_invalid', 'path: is not absolute')
        await store.backup(path)
        audit.write({ event: 'operated', caller, method, action: 'backup', key: path })
        return { path }
      },
    },
    faulted,
  )
}
