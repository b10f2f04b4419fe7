/** R04: a server is killed while it changes its store: what was acknowledged is there, and no revision is given again. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startChild } from '../../src/os/child.ts'
import type { Child } from '../../src/os/child.ts'
import type { StoreOptions } from '../../src/store/open.ts'
import { placeOf } from '../contract/stores.ts'
import { eventually } from '../e2e/rig/rig.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { startPostgres } from '../fakes/postgres-server.ts'
import { entryId } from '../fakes/store-values.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { atScale } from './scale.ts'

const KILLS = atScale(6, 100)
const PROGRAM = join(import.meta.dirname, 'store-process.ts')

/** What processes have said, over all their lives. */
class Said {
  readonly there = new Set<string>()
  readonly gone = new Set<string>()
  readonly maybe = new Set<string>()
  revision = 0
  refusals = 0

  take(lines: readonly string[]): void {
    for (const line of lines) {
      const rest = line.slice(1)
      if (line.startsWith('+')) this.there.add(rest)
      if (line.startsWith('?')) this.maybe.add(rest)
      if (line.startsWith('-')) this.gone.add(rest)
      if (line.startsWith('!')) this.refusals++
      if (line.startsWith('=')) {
        assert(Number(rest) >= this.revision, 'a revision came back')
        this.revision = Number(rest)
      }
    }
  }
}

const start = (engine: StoreOptions['engine'], run: string): Promise<Child> =>
  startChild(process.execPath, [PROGRAM, JSON.stringify(engine), run])

/** Whole lines alone: the last one may have been cut by the kill. */
const linesOf = (child: Child): readonly string[] => child.output().split('\n').slice(0, -1)

async function check(t: TestContext, engine: StoreOptions['engine'], said: Said): Promise<void> {
  const store = await placeOf(t, engine).open()
  const all = new Map<string, unknown>()
  let token: string | undefined
  do {
    const page = await store.entries.list({}, { limit: 1000, token })
    for (const one of page.items) all.set(one.id, one)
    token = page.next
  } while (token !== undefined)
  for (const id of said.there) if (!said.maybe.has(id)) assert(all.has(id), `${id} is lost`)
  for (const id of said.gone) assert(!all.has(id), `${id} is back`)
  const { revision, lineage } = await store.changes.position()
  assert(revision >= said.revision, `revision ${revision} after ${said.revision}`)
  const seen = new Set<number>()
  let position = { lineage, revision: 0 }
  for (let more = true; more;) {
    const told = await store.changes.since(position, 1000)
    assert(told.kind === 'changes')
    for (const one of told.changes) {
      assert(!seen.has(one.revision))
      seen.add(one.revision)
      if (one.kind === 'entry' && !all.has(one.key))
        assert.equal(await store.entries.get(entryId(one.key)), undefined)
    }
    ;({ position, more } = told)
  }
  said.revision = Math.max(said.revision, revision)
  await store.close()
}

async function killAgainAndAgain(t: TestContext, engine: StoreOptions['engine']): Promise<void> {
  const seed = Date.now() % 100_000
  t.diagnostic(`seed ${seed}`)
  const random = createSeededRandom(seed)
  const said = new Said()
  for (let run = 0; run < KILLS; run++) {
    const child = await start(engine, `r${run}`)
    t.after(() => child.stop())
    await child.line((line) => line.startsWith('+'))
    await new Promise((resolve) => setTimeout(resolve, 150 * random.fraction()))
    child.signal('SIGKILL')
    await child.ended
    said.take(linesOf(child))
    await check(t, engine, said)
  }
  assert.equal(said.refusals, 0)
  t.diagnostic(`${said.there.size} acknowledged, revision ${said.revision}`)
}

test(`R04: a server killed ${KILLS} times while it commits to SQLite`, async (t) => {
  await killAgainAndAgain(t, { kind: 'sqlite', path: join(temporaryFolder(t), 'store.db') })
})

test(`R04: a server killed ${KILLS} times while it commits to PostgreSQL`, async (t) => {
  const started = await startPostgres(t)
  if (started === undefined) return
  t.after(started.remove)
  await killAgainAndAgain(t, { kind: 'postgres', target: await started.server.database() })
})

test('R04: PostgreSQL killed while two servers commit: each goes on when it is back', async (t) => {
  const started = await startPostgres(t)
  if (started === undefined) return
  t.after(started.remove)
  const { server } = started
  const engine = { kind: 'postgres', target: await server.database() } as const
  const children = [await start(engine, 'a'), await start(engine, 'b')]
  for (const child of children) t.after(() => child.stop())
  const count = (child: Child): number =>
    linesOf(child).filter((line) => line.startsWith('+')).length
  const progress = async (): Promise<void> => {
    for (const child of children) {
      const before = count(child)
      await eventually('it goes on', () => count(child) > before + 20)
    }
  }
  for (let kill = 0; kill < atScale(2, 20); kill++) {
    await progress()
    await server.stop('SIGKILL')
    for (const child of children)
      await eventually('it is refused', () => linesOf(child).at(-1)?.startsWith('!'))
    await server.start()
  }
  await progress()
  const refusals: string[] = []
  const said = new Said()
  for (const child of children) {
    child.signal('SIGKILL')
    await child.ended
    refusals.push(...linesOf(child).filter((line) => line.startsWith('!')))
    said.revision = 0
    said.take(linesOf(child))
  }
  assert.deepEqual(new Set(refusals), new Set(['!store_unavailable']))
  await check(t, engine, said)
})
