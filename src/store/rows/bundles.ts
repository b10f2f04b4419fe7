import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import { nextTurn } from '../../runtime/slices.ts'
import type { Engine } from '../engine.ts'
import type { BundleStore } from '../port.ts'
import type { Write, Writer } from '../writer.ts'
import { deleteSome, federatingWith, updateOne } from './entries.ts'
import { BUNDLE } from './kinds.ts'
import { createRecords, deleteRecord, recordByKey } from './records.ts'

export function createBundles(engine: Engine, writer: Writer): BundleStore {
  return {
    ...createRecords(engine, writer, BUNDLE),
    delete: (trustDomain, mode) =>
      writer.write(async (write) => {
        const { db, changed } = write
        if ((await recordByKey(db, BUNDLE, trustDomain)) === undefined) return 'not_found'
        if (mode === 'restrict') {
          if ((await federatingWith(db, trustDomain)).length > 0) return 'in_use'
        } else await release(write, trustDomain, mode)
        await deleteRecord(db, BUNDLE.kind, trustDomain)
        changed('bundle', trustDomain)
        return 'deleted'
      }),
  }
}

/** Some at a time, for it may be every entry there is. */
async function release(
  write: Write,
  trustDomain: TrustDomain,
  mode: 'delete' | 'dissociate',
): Promise<void> {
  for (;;) {
    const entries = await federatingWith(write.db, trustDomain)
    if (entries.length === 0) return
    if (mode === 'delete') {
      await deleteSome(
        write,
        entries.map(({ id }) => id),
      )
    } else {
      for (const { id } of entries)
        await updateOne(write, {
          id,
          change: (entry) => ({
            ...entry,
            federatesWith: entry.federatesWith.filter((one) => one !== trustDomain),
          }),
        })
    }
    await nextTurn()
  }
}
