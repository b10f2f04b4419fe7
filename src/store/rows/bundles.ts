import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import { nextTurn } from '../../runtime/slices.ts'
import type { Engine } from '../engine.ts'
import type { BundleStore, EntryVersion } from '../port.ts'
import type { Write, Writer } from '../writer.ts'
import { countFederating, deleteSome, federatingWith, updateOne } from './entries.ts'
import { BUNDLE } from './kinds.ts'
import { createRecords, deleteRecord, recordByKey } from './records.ts'

export function createBundles(engine: Engine, writer: Writer): BundleStore {
  return {
    ...createRecords(engine, writer, BUNDLE),
    delete: (trustDomain, mode) =>
      writer.write(async (write) => {
        const { db, changed } = write
        if ((await recordByKey(db, BUNDLE, trustDomain)) === undefined) return { kind: 'not_found' }
        const using = mode === 'restrict' ? await countFederating(db, trustDomain) : 0
        if (using > 0) return { kind: 'in_use', entries: using }
        const entries = mode === 'restrict' ? [] : await release(write, trustDomain, mode)
        await deleteRecord(db, BUNDLE.kind, trustDomain)
        changed('bundle', trustDomain)
        return { kind: 'deleted', entries }
      }),
  }
}

/** Some at a time, for it may be every entry there is. */
async function release(
  write: Write,
  trustDomain: TrustDomain,
  mode: 'delete' | 'dissociate',
): Promise<readonly EntryVersion[]> {
  const released: EntryVersion[] = []
  for (;;) {
    const entries = await federatingWith(write.db, trustDomain)
    if (entries.length === 0) return released
    const by = mode === 'delete' ? 0 : 1
    for (const { id, revision } of entries) released.push({ id, revision: revision + by })
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
