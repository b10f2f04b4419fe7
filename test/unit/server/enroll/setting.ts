/** A registry over a SQLite store of the test's own. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { openRegistry } from '../../../../src/server/enroll/open-registry.ts'
import type { Registry, RegistryChange } from '../../../../src/server/enroll/registry.ts'
import { openStore } from '../../../../src/store/open.ts'
import type { Store } from '../../../../src/store/port.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import type { ManualClock } from '../../../fakes/clock.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { td } from '../../../fakes/store-values.ts'

export interface Setting {
  readonly clock: ManualClock
  readonly store: Store
  readonly registry: Registry
  readonly changes: RegistryChange[]
  /** Lines of the log, whole. */
  readonly lines: string[]
  /** One more over the same store, or another that stands for it. */
  open(store?: Store): Promise<Registry>
}

export async function setUp(
  t: Pick<TestContext, 'after'>,
  fill: (store: Store) => Promise<unknown> = async () => undefined,
): Promise<Setting> {
  const clock = createManualClock()
  const random = createSeededRandom(1)
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const log = createLog({ level: 'info', format: 'json', stream, clock })
  const engine = { kind: 'sqlite', path: join(temporaryFolder(t), 'store.db') } as const
  const store = await openStore({ clock, random, log, engine })
  t.after(() => store.close())
  await fill(store)
  const open = async (over = store): Promise<Registry> => {
    const registry = await openRegistry({
      store: over,
      trustDomain: td('example.org'),
      clock,
      random,
      log,
    })
    t.after(() => registry.close())
    return registry
  }
  const registry = await open()
  const changes: RegistryChange[] = []
  registry.onChange((change) => changes.push(change))
  return { clock, store, registry, changes, lines, open }
}
