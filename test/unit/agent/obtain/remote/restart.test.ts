import assert from 'node:assert/strict'
import {
  existsSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { CacheEvent } from '../../../../../src/agent/obtain/cache/cache.ts'
import {
  IDENTITIES_FILE,
  KEY_FILE,
  NODE_FILE,
} from '../../../../../src/agent/obtain/cache/cache.ts'
import type { LinkMemory } from '../../../../../src/agent/obtain/server/link.ts'
import type { Entry } from '../../../../../src/registration/entry.ts'
import { createManualClock, settle } from '../../../../fakes/clock.ts'
import { temporaryFolder } from '../../../../fakes/folder.ts'
import { createSeededRandom } from '../../../../fakes/random.ts'
import { createFakeLink, serverEntry } from '../../../../fakes/server-link.ts'
import type { FakeLink } from '../../../../fakes/server-link.ts'
import { cacheIn, start } from './setting.ts'
import type { Running } from './setting.ts'

const HOUR = 3_600_000

const entriesOf = ({ registry }: Running): readonly Entry[] => registry.current?.entries ?? []

const memoryOf = ({ served }: FakeLink): LinkMemory => ({
  svid: undefined,
  served: served.current,
  resumeToken: new Uint8Array(),
  trust: { authorities: [], pinned: undefined },
})

/** An agent that had two identities, and was stopped. */
async function setting(t: TestContext) {
  const clock = createManualClock()
  const random = createSeededRandom('restart')
  const folder = temporaryFolder(t)
  const link = await createFakeLink(clock, random)
  const cache = await cacheIn(folder, { clock, random })
  const agent = start(t, { clock, random, link, cache })
  link.serve([serverEntry('web'), serverEntry('batch')])
  const remembered = cache.remember(memoryOf(link))
  const had = entriesOf(agent).map((entry) => agent.identities.acquire(entry))
  await settle()
  const svids = had.map(({ current }) => current)
  await agent.close()
  await remembered

  const events: CacheEvent[] = []
  /** The same agent once more, with its server away. */
  const again = async () => {
    const kept = await cacheIn(folder, { clock, random }, events)
    const next = await createFakeLink(clock, random, kept.memory?.served)
    next.away(true)
    return { kept, link: next, agent: start(t, { clock, random, link: next, cache: kept }) }
  }
  return { clock, folder, svids, events, again }
}

test('an agent that starts again while its server is away serves at once what it had, renewed when it is due', async (t) => {
  const { clock, svids, events, again } = await setting(t)
  const { agent, link } = await again()
  const leases = entriesOf(agent).map((entry) => agent.identities.acquire(entry))
  assert.equal(leases.length, 2)
  for (const [at, { current }] of leases.entries()) {
    assert.deepEqual(current?.svid, svids[at]?.svid)
    assert.deepEqual(current?.pkcs8, svids[at]?.pkcs8)
    assert.equal(current?.renewAt, svids[at]?.renewAt)
  }
  assert.deepEqual([events, link.asked], [[], []])
  assert.equal(agent.bundles.feed.current.size, 1)
  const due = Math.max(...svids.map((one) => one!.renewAt)) - clock.now()
  await clock.advance(due + 1)
  for (const { current, fault } of leases) {
    assert(current !== undefined)
    assert.match(fault ?? '', /connection refused/)
  }
  assert.deepEqual(link.asked, [], 'what is away is not asked')
})

test('an agent that starts again serves nothing that has expired', async (t) => {
  const { clock, again } = await setting(t)
  clock.jump(HOUR)
  const { agent } = await again()
  const leases = entriesOf(agent).map((entry) => agent.identities.acquire(entry))
  await settle()
  assert.deepEqual(
    leases.map(({ current }) => current),
    [undefined, undefined],
  )
})

test('what an agent has had for an entry that is gone is not kept', async (t) => {
  const { clock, again } = await setting(t)
  const { agent, link } = await again()
  link.serve([serverEntry('web')])
  await clock.advance(1_000)
  await agent.close()
  const { agent: third, link: nextLink } = await again()
  nextLink.serve([serverEntry('web'), serverEntry('batch')])
  const found = entriesOf(third).map((entry) => third.identities.acquire(entry).current)
  assert(found[0] !== undefined)
  assert.equal(found[1], undefined)
})

test('the files of the cache are for their owner alone, and show no key', async (t) => {
  const { folder, svids } = await setting(t)
  assert.deepEqual(readdirSync(folder).toSorted(), [KEY_FILE, IDENTITIES_FILE, NODE_FILE])
  for (const name of readdirSync(folder)) {
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600)
    const bytes = Buffer.from(
      readFileSync(join(folder, name), 'utf8').split('\n')[1] ?? '',
      'base64',
    )
    for (const identity of svids) assert(!bytes.includes(identity!.pkcs8.subarray(40, 60)))
  }
})

for (const [what, spoil] of [
  ['cut off', (path: string) => truncateSync(path, statSync(path).size / 2)],
  ['empty', (path: string) => truncateSync(path, 0)],
  [
    'changed in one bit',
    (path: string) => {
      const bytes = readFileSync(path)
      bytes[bytes.length >> 1]! ^= 1
      writeFileSync(path, bytes)
    },
  ],
] as const)
  for (const name of [IDENTITIES_FILE, NODE_FILE])
    test(`${name} that is ${what} is set aside with word of what to do, and the agent starts`, async (t) => {
      const { folder, events, again } = await setting(t)
      spoil(join(folder, name))
      const { kept, agent } = await again()
      const [event] = events
      assert(event?.kind === 'set_aside')
      assert.equal(events.length, 1)
      assert.equal(event.file, join(folder, name))
      assert(existsSync(event.movedTo))
      assert.match(event.reason, /^it (?:is cut off|does not open)/)
      assert.match(event.todo, name === NODE_FILE ? /join token/ : /Nothing is to be done/)
      assert.equal(kept.memory === undefined, name === NODE_FILE)
      const leases = entriesOf(agent).map((entry) => agent.identities.acquire(entry))
      await settle()
      assert.deepEqual(
        leases.map(({ current }) => current),
        name === NODE_FILE ? [] : [undefined, undefined],
      )
    })

test('a cache whose key is gone is set aside as a whole, and begun anew', async (t) => {
  const { folder, events, again } = await setting(t)
  writeFileSync(join(folder, KEY_FILE), 'something else')
  const { agent } = await again()
  const names = events.map((event) => [event.kind, event.file.slice(folder.length + 1)])
  assert.deepEqual(names, [
    ['set_aside', KEY_FILE],
    ['set_aside', NODE_FILE],
    ['set_aside', IDENTITIES_FILE],
  ])
  await agent.close()
  assert.match(readFileSync(join(folder, KEY_FILE), 'utf8'), /^[A-Za-z0-9+/]{43}=\n$/)
})

test('a cache that cannot be written is told, and does not hold the agent', async (t) => {
  const clock = createManualClock()
  const random = createSeededRandom('full')
  const events: CacheEvent[] = []
  const folder = join(temporaryFolder(t), 'is-not-there')
  const cache = await cacheIn(folder, { clock, random }, events)
  const link = await createFakeLink(clock, random)
  const agent = start(t, { clock, random, link, cache })
  link.serve([serverEntry('web')])
  const remembered = cache.remember(memoryOf(link))
  const lease = agent.identities.acquire(entriesOf(agent)[0]!)
  await settle()
  assert(lease.current !== undefined)
  await agent.close()
  await remembered
  assert.match(cache.fault ?? '', /cannot be written: ENOENT/)
  assert(events.length > 0 && events.every(({ kind }) => kind === 'unsaved'))
})
