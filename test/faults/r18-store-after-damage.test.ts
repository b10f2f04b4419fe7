/** R18: the store's database after damage: it is seen at the start, or it did not touch anything. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/port.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { pages } from '../contract/stores.ts'
import { agent, bundle, entry, entryId, id, selectors, td } from '../fakes/store-values.ts'
import { createManualClock } from '../fakes/clock.ts'
import { temporaryFolder } from '../fakes/folder.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { atScale } from './scale.ts'

const clock = createManualClock()
const random = createSeededRandom()
const log = createLog({ level: 'error', format: 'text', stream: process.stderr, clock })
const open = (path: string): Promise<Store> =>
  openStore({ clock, random, log, engine: { kind: 'sqlite', path } })

async function fill(store: Store): Promise<void> {
  const entries = Array.from({ length: 90 }, (_, at) =>
    entry(`/${at}`, {
      id: entryId(`entry-${at}`),
      selectors: selectors(`unix:uid:${at}`, `unix:path:/usr/bin/${'x'.repeat(at)}`),
      federatesWith: at % 3 === 0 ? [td('one.test')] : [],
      hint: at % 4 === 0 ? `hint ${at}` : '',
      ...(at % 5 === 0 && { expiresAt: clock.now() + at }),
    }),
  )
  await store.entries.create(entries)
  await store.entries.delete([entryId('entry-3'), entryId('entry-44')])
  for (let at = 0; at < 10; at++) {
    const next = agent(`/spire/agent/${at}`, { selectors: selectors(`k8s:node:${at}`) })
    await store.agents.change(next.id, () => next)
  }
  await store.agents.change(id('/spire/agent/4'), () => undefined)
  const certificate = Uint8Array.from({ length: 5_000 }, (_, at) => at % 251)
  const large = bundle('one.test', { x509Authorities: [{ certificate, tainted: true }] })
  await store.bundles.change(td('one.test'), () => large)
  await store.joinTokens.create('token', { expiresAt: 5, alias: id('/node') })
  await store.servers.seen('s1', 7)
  await store.changes.prune(clock.now() + 1)
  await store.entries.create([entry('/last', { id: entryId('last') })])
}

/** All that can be asked for, by keys and by what it is looked up by. */
async function content(store: Store): Promise<string> {
  const all = { limit: 1000 }
  const position = await store.changes.position()
  const lists = [
    (await store.entries.list({}, all)).items,
    (await pages((page) => store.entries.list({ hint: '' }, page), 7)).flat(),
    (await store.entries.list({ federatesWith: { match: 'any', of: [td('one.test')] } }, all))
      .items,
    (
      await store.entries.list(
        { selectors: { match: 'superset', of: selectors('unix:uid:7') } },
        all,
      )
    ).items,
    (await store.agents.list({}, all)).items,
    (await store.agents.list({ selectors: { match: 'any', of: selectors('k8s:node:2') } }, all))
      .items,
    (await store.bundles.list(all)).items.map((one) => JSON.stringify(one)),
    await store.servers.list(),
    await store.changes.since({ ...position, revision: position.revision - 1 }, 10),
    await store.changes.since({ ...position, revision: 1 }, 10),
  ]
  return JSON.stringify([lists, position])
}

type Damage = (whole: Buffer) => Buffer

const place = fc.nat({ max: 2 ** 30 })
const damages: Readonly<Record<string, fc.Arbitrary<Damage>>> = {
  'one bit': fc.tuple(place, fc.integer({ min: 0, max: 7 })).map(([at, bit]) => (whole) => {
    whole[at % whole.length]! ^= 1 << bit
    return whole
  }),
  'cut off': fc
    .oneof(place, fc.nat({ max: 600 }))
    .map((at) => (whole) => whole.subarray(0, at % whole.length)),
  'a sector that was not written': place.map((at) => (whole) => {
    const start = Math.floor((at % whole.length) / 512) * 512
    return Buffer.from(whole).fill(0, start, start + 512)
  }),
  'a page in the place of another': fc.tuple(place, place).map(([from, to]) => (whole) => {
    const count = whole.length / 4096
    const page = (at: number): number => (at % count) * 4096
    whole.copy(whole, page(to), page(from), page(from) + 4096)
    return whole
  }),
}

for (const [what, damage] of Object.entries(damages)) {
  test(`R18: a database with ${what} is set aside as it is, or says what it said before`, async (t) => {
    const whole = await wholeDatabase(t)
    const seen = { aside: 0, same: 0, before: 0 }
    await fc.assert(
      fc.asyncProperty(fc.noBias(damage), async (make) => {
        const damaged = make(Buffer.from(whole.bytes))
        const verdict = await judge(whole, damaged)
        seen[verdict]++
      }),
      { numRuns: atScale(60, 5_000), endOnFailure: true },
    )
    t.diagnostic(`${seen.aside} set aside, ${seen.same} harmless`)
    assert(seen.aside > 10, 'the damage did no damage')
  })
}

test('R18: a database that is empty, or ends within its first page, is set aside as it is', async (t) => {
  const whole = await wholeDatabase(t)
  for (const length of [0, 1, 15, 16, 99, 100, 511, 512, 4095])
    assert.equal(await judge(whole, whole.bytes.subarray(0, length)), 'aside', `${length} bytes`)
})

test('R18: a log that was damaged is set aside with its database, or loses what could be a change that a power cut fell into', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'store.db')
  const store = await open(path)
  t.after(() => store.close())
  const states: string[] = []
  for (let at = 0; at < 12; at++) {
    await store.entries.create([entry(`/${at}`), entry(`/${at}/more`)])
    states.push(await content(store))
  }
  const [bytes, log] = [readFileSync(path), readFileSync(`${path}-wal`)]
  const kept = { folder: temporaryFolder(t), bytes, content: states.at(-1)! }
  const seen = { aside: 0, same: 0, before: 0 }
  const damage = fc.noBias(fc.oneof(damages['one bit']!, damages['a sector that was not written']!))
  await fc.assert(
    fc.asyncProperty(damage, async (make) => {
      const damaged = make(Buffer.from(log))
      if (damaged.equals(log)) return
      seen[await judge({ ...kept, last: states.at(-2)! }, bytes, damaged)]++
    }),
    { numRuns: atScale(60, 5_000), endOnFailure: true },
  )
  t.diagnostic(JSON.stringify(seen))
  assert(seen.aside > 10)
  assert.equal(await judge(kept, bytes, log), 'same')
})

interface Whole {
  readonly folder: string
  readonly bytes: Buffer
  readonly content: string
  /** One change before that, where it may be lost. */
  readonly last?: string
}

async function wholeDatabase(t: TestContext): Promise<Whole> {
  const folder = temporaryFolder(t)
  const path = join(folder, 'store.db')
  const store = await open(path)
  await fill(store)
  const before = await content(store)
  await store.close()
  return { folder, bytes: readFileSync(path), content: before }
}

async function judge(
  whole: Whole,
  damaged: Buffer,
  log?: Buffer,
): Promise<'aside' | 'same' | 'before'> {
  const { folder } = whole
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  const path = join(folder, 'store.db')
  writeFileSync(path, damaged)
  if (log !== undefined) writeFileSync(`${path}-wal`, log)
  let store: Store
  try {
    store = await open(path)
  } catch (thrown) {
    assert(thrown instanceof Error && 'code' in thrown)
    assert.equal(thrown.code, 'store_corrupt', String(thrown))
    assert.match(thrown.message, /set aside as .*\n.*cp BACKUP/s)
    const names = readdirSync(folder)
    const aside = names.find((name) => /^store\.db\.set-aside-[^.]*$/.test(name))
    assert(aside !== undefined && !names.includes('store.db'), names.join())
    assert(readFileSync(join(folder, aside)).equals(damaged), 'as it is')
    if (log !== undefined) assert(readFileSync(join(folder, `${aside}-wal`)).equals(log))
    // No other one is begun in its place.
    await assert.rejects(open(path), { code: 'store_unavailable', message: /set aside/ })
    return 'aside'
  }
  const said = await content(store)
  await store.close()
  if (said === whole.last) return 'before'
  assert.equal(said, whole.content)
  return 'same'
}
