/** The sync stream as the agent keeps it, at a server that a test plays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import type { SyncRequestSchema, SyncResponse } from '#spindle/sync/v1/sync_pb.js'
import { SyncResponseSchema } from '#spindle/sync/v1/sync_pb.js'
import { followServer } from '../../../../../../src/agent/obtain/server/sync/follow.ts'
import type { Follower } from '../../../../../../src/agent/obtain/server/sync/follow.ts'
import { SpindleError } from '../../../../../../src/runtime/errors.ts'
import type { SecureClient } from '../../../../../../src/wire/secure-client.ts'
import { createManualClock } from '../../../../../fakes/clock.ts'
import type { ManualClock } from '../../../../../fakes/clock.ts'
import { createSeededRandom } from '../../../../../fakes/random.ts'
import { createFleet } from '../../../../server/admit/fleet.ts'

const fleet = await createFleet()
const token = (text: string): Uint8Array => Buffer.from(text)

type Step = MessageInitShape<typeof SyncRequestSchema>['step']

/** One call, from the server's side. */
class PlayedCall {
  readonly steps: Step[] = []
  cancelled = false
  readonly #waiting: SyncResponse[] = []
  #wake = (): void => undefined
  #end: Error | undefined

  get opening(): string {
    const [step] = this.steps
    return step?.case === 'open' ? Buffer.from(step.value.resumeToken ?? []).toString() : 'none'
  }

  get applied(): string[] {
    return this.steps.flatMap((step) =>
      step?.case === 'applied' ? [Buffer.from(step.value.resumeToken ?? []).toString()] : [],
    )
  }

  say(part: MessageInitShape<typeof SyncResponseSchema>): void {
    this.#waiting.push(create(SyncResponseSchema, part))
    this.#wake()
  }

  end(why: Error = new SpindleError('unreachable', 'gone')): void {
    this.#end ??= why
    this.#wake()
  }

  async *messages(): AsyncGenerator<SyncResponse> {
    for (;;) {
      const next = this.#waiting.shift()
      if (next !== undefined) yield next
      else if (this.#end !== undefined) throw this.#end
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

interface Played {
  readonly follower: Follower
  readonly clock: ManualClock
  readonly calls: PlayedCall[]
}

async function setUp(t: TestContext): Promise<Played> {
  const clock = createManualClock()
  const calls: PlayedCall[] = []
  const client = {
    bidi() {
      const call = new PlayedCall()
      calls.push(call)
      const cancel = (): void => {
        call.cancelled = true
        call.end()
      }
      return {
        send: ({ step }: { step: Step }) => void call.steps.push(step),
        end: () => undefined,
        messages: call.messages(),
        cancel,
      }
    },
    call: () => Promise.reject(new Error('not asked for')),
    close: () => undefined,
  } as unknown as SecureClient
  const follower = followServer({
    trustDomain: fleet.trustDomain,
    clock,
    random: createSeededRandom(),
    version: '1.2.3',
    client: () => client,
    memory: undefined,
    onSkipped: () => undefined,
    onDenied: () => undefined,
  })
  t.after(() => follower.close())
  await clock.advance(0)
  return { follower, clock, calls }
}

const own = { trustDomain: fleet.trustDomain, x509Authorities: [{ asn1: fleet.root }] }
const entry = (id: string) => ({
  id,
  spiffeId: { trustDomain: fleet.trustDomain, path: `/${id}` },
  parentId: { trustDomain: fleet.trustDomain, path: '/node' },
  selectors: [{ type: 'unix', value: 'uid:1' }],
})
const FULL = {
  full: true,
  entries: [entry('a')],
  bundles: [own],
  complete: true,
  resumeToken: token('1'),
  entryCount: 1,
  bundleCount: 1,
}
const ADDED = {
  entries: [entry('b')],
  complete: true,
  resumeToken: token('2'),
  entryCount: 2,
  bundleCount: 1,
}

const namesOf = ({ served }: Follower): string[] =>
  (served.current?.entries ?? []).map(({ id }) => id)

test('each round is applied and answered with its token, in parts as one', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  const [call] = calls
  assert.equal(call?.opening, '')
  call.say({ full: true, entries: [entry('a')] })
  await clock.advance(0)
  assert.equal(follower.served.current, undefined, 'half of a round is nothing')
  call.say({ ...FULL, entries: [entry('b')], entryCount: 2 })
  await clock.advance(0)
  assert.deepEqual(namesOf(follower), ['a', 'b'])
  assert.deepEqual(call.applied, ['1'])
  assert.equal(follower.state.current.protocol, 'sync')
})

test('what the agent holds is told with each answer, and when it changes', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  let x509 = ['w']
  follower.holds(() => ({ x509, jwt: [] }))
  x509 = ['x']
  calls[0]?.say(FULL)
  await clock.advance(0)
  follower.holds(() => ({ x509: ['y'], jwt: ['k'] }))
  const said = calls[0]?.steps.flatMap((step) =>
    step?.case === 'applied' ? [step.value.x509AuthoritiesInUse] : [],
  )
  assert.deepEqual(
    said,
    [['x'], ['y']],
    'what it holds when it answers, not when that was last looked at',
  )
  assert.deepEqual(calls[0]?.applied, ['1', '1'])
})

test('of more authorities than an answer may name, it says that there are more', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  const some = (count: number): string[] => Array.from({ length: count }, (_, at) => `a${at}`)
  follower.holds(() => ({ x509: some(64), jwt: some(65) }))
  calls[0]?.say(FULL)
  await clock.advance(0)
  const [, step] = calls[0]!.steps
  assert(step?.case === 'applied')
  const { x509AuthoritiesInUse, jwtAuthoritiesInUse } = step.value
  assert.deepEqual([x509AuthoritiesInUse, jwtAuthoritiesInUse], [some(64), some(64)])
  const { moreX509AuthoritiesInUse, moreJwtAuthoritiesInUse } = step.value
  assert.deepEqual([moreX509AuthoritiesInUse, moreJwtAuthoritiesInUse], [false, true])
})

test('a call that ends is followed by another that goes on from the last token', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  calls[0]?.say(FULL)
  await clock.advance(0)
  calls[0]?.end()
  await clock.advance(0)
  assert.match(follower.state.current.fault ?? '', /gone/)
  assert.deepEqual(namesOf(follower), ['a'])
  await clock.advance(300)
  assert.equal(calls[1]?.opening, '1')
  calls[1]?.say(ADDED)
  await clock.advance(0)
  assert.deepEqual(namesOf(follower), ['a', 'b'])
  assert.equal(follower.state.current.fault, undefined)
})

test('an agent that counts otherwise than the server begins without a token', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  calls[0]?.say(FULL)
  await clock.advance(0)
  calls[0]?.say({ ...ADDED, entryCount: 3 })
  await clock.advance(0)
  assert.deepEqual(namesOf(follower), ['a'], 'what does not add up is not served')
  assert.deepEqual(calls[0]?.applied, ['1'])
  await clock.advance(300)
  assert.equal(calls[1]?.opening, '')
})

test('a new connection takes over once it has said something, and not before', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  calls[0]?.say(FULL)
  await clock.advance(0)
  follower.connect()
  await clock.advance(0)
  assert.equal(calls[1]?.opening, '1')
  assert.equal(calls[0]?.cancelled, false)
  calls[1]?.say(ADDED)
  await clock.advance(0)
  assert.equal(calls[0]?.cancelled, true)
  assert.deepEqual(namesOf(follower), ['a', 'b'])
  await clock.advance(60_000)
  assert.equal(calls.length, 2, 'the end of the first is no reason for a third')
})

test('a new connection that is asked for while another is being made follows it at once', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  follower.connect()
  await clock.advance(0)
  assert.equal(calls.length, 1)
  calls[0]?.say(FULL)
  await clock.advance(0)
  assert.equal(calls[1]?.opening, '1')
  calls[1]?.say(ADDED)
  await clock.advance(60_000)
  assert.equal(calls.length, 2)
})

test('a new connection that fails is tried again, and the one before goes on', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  calls[0]?.say(FULL)
  await clock.advance(0)
  follower.connect()
  await clock.advance(0)
  calls[1]?.end()
  await clock.advance(0)
  assert.equal(follower.state.current.fault, undefined)
  calls[0]?.say(ADDED)
  await clock.advance(1_000)
  assert.deepEqual(namesOf(follower), ['a', 'b'])
  assert.equal(calls[2]?.opening, '2')
})

test('a server that opens and says nothing is given up after 30 s', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  await clock.advance(29_000)
  assert.equal(calls.length, 1)
  await clock.advance(2_000)
  assert.match(follower.state.current.fault ?? '', /no round within 30 s/)
  assert.ok(calls.length > 1)
})

test('a server without a bundle of its trust domain is nothing to serve by', async (t) => {
  const { follower, clock, calls } = await setUp(t)
  calls[0]?.say({ ...FULL, bundles: [], bundleCount: 0 })
  await clock.advance(0)
  assert.equal(follower.served.current, undefined)
  assert.match(follower.state.current.fault ?? '', /no bundle/)
})

test('attempts at a server that is away come less and less often', async (t) => {
  const { clock, calls } = await setUp(t)
  for (let at = 0; at < 200; at++) {
    calls.at(-1)?.end()
    await clock.advance(1_000)
  }
  assert.ok(calls.length > 20 && calls.length < 50, String(calls.length))
})
