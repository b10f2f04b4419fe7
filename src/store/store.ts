import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { Engine } from './engine.ts'
import type { Store } from './port.ts'
import { createAgents } from './rows/agents.ts'
import { createBundles } from './rows/bundles.ts'
import { createChanges } from './rows/changes.ts'
import { createEntries } from './rows/entries.ts'
import { createJoinTokens } from './rows/join-tokens.ts'
import { AUTHORITY, FEDERATION, SERVER, authorityKey } from './rows/kinds.ts'
import { changeRecord, createRecords, recordByKey } from './rows/records.ts'
import { createReports } from './reports.ts'
import { createWriter } from './writer.ts'

/** The port over either engine; closing it closes the engine. */
export function createStore(
  engine: Engine,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Store {
  const writer = createWriter(engine, clock)
  const authorities = createRecords(engine, writer, AUTHORITY)
  const servers = createRecords(engine, writer, SERVER)
  return {
    entries: createEntries(engine, writer, random),
    agents: createAgents(engine, writer),
    joinTokens: createJoinTokens(engine, writer, random),
    bundles: createBundles(engine, writer),
    federation: createRecords(engine, writer, FEDERATION),
    authorities: {
      list: authorities.all,
      change: (key, change) => authorities.change(authorityKey(key), change),
    },
    servers: {
      list: servers.all,
      seen: (id, at) =>
        writer.write(async (write) => {
          const known = await recordByKey(write.db, SERVER, id)
          const change = () => ({ id, lastSeen: at })
          await changeRecord(write, SERVER, { key: id, change, quietly: known !== undefined })
        }),
      async remove(id) {
        await servers.change(id, () => undefined)
      },
    },
    reports: createReports(engine, writer),
    changes: createChanges(engine, writer),
    backup: (path) => engine.backup(path),
    async close() {
      await writer.close()
      await engine.close()
    },
  }
}
