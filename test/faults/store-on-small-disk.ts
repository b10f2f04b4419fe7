// `store-on-small-disk.ts FOLDER`: fills the disk of FOLDER beside a store in it, and says what the store does; the steps of
// r17-store-on-a-full-disk.test.ts, in a process that has that disk to itself.
import assert from 'node:assert/strict'
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../../src/store/open.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { createManualClock } from '../fakes/clock.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { entry, entryId, selectors } from '../fakes/store-values.ts'

const [, , folder = ''] = process.argv
const path = join(folder, 'store.db')
const filler = join(folder, 'filler')
const clock = createManualClock()
const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })
const open = () =>
  openStore({ clock, random: createSeededRandom(), log, engine: { kind: 'sqlite', path } })

function fill(): void {
  writeFileSync(filler, '')
  for (const bytes of [65_536, 4_096, 1])
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(bytes))
    } catch (thrown) {
      assert.equal((thrown as NodeJS.ErrnoException).code, 'ENOSPC')
    }
}

let store = await open()
const large = (name: string) =>
  entry(`/${name}`, {
    id: entryId(name),
    selectors: selectors(
      ...Array.from({ length: 40 }, (_, at) => `unix:path:/${name}/${at}${'x'.repeat(900)}`),
    ),
  })
const [first] = await store.entries.create([large('first')])
fill()
let refused = 0
for (let at = 0; at < 40; at++)
  await store.entries.create([large(`more${at}`)]).catch((thrown: unknown) => {
    assert(thrown instanceof Error && 'code' in thrown)
    assert.equal(thrown.code, 'store_unavailable')
    assert.match(thrown.message, /the disk is full/)
    refused++
  })
assert(refused > 0, 'the disk was full')
const { items } = await store.entries.list({}, { limit: 1000 })
assert.equal(items.length, 41 - refused, 'what was refused is not there, what was not is')
assert.deepEqual(await store.entries.get(first!.entry.id), first!.entry)
assert.equal(store.changes.revisions.current, 41 - refused)
assert.equal((await store.changes.position()).revision, 41 - refused)

// A restart on the full disk comes up too: what is there is served.
await store.close()
store = await open()
assert.equal(await store.entries.count({}), 41 - refused)
await assert.rejects(
  store.entries.create(Array.from({ length: 30 }, (_, at) => large(`big${at}`))),
  {
    code: 'store_unavailable',
  },
)

rmSync(filler)
const [again] = await store.entries.create([entry('/again')])
assert.equal(again?.kind, 'created')
assert.equal(
  (await store.changes.position()).revision,
  42 - refused,
  'no revision was lost to a refusal',
)
await store.close()
process.stdout.write(`refused ${refused}\n`)
