import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AppliedSchema, OpenSchema, SyncRequestSchema } from '#spindle/sync/v1/sync_pb.js'
import type { SyncResponse } from '#spindle/sync/v1/sync_pb.js'
import { create, toBinary } from '@bufbuild/protobuf'
import { SyncService } from '#spindle/sync/v1/sync_pb.js'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { status } from '../../src/runtime/grpc-status.ts'
import { serviceDefinition } from '../../src/wire/service.ts'
import { settle } from '../fakes/clock.ts'
import { agent, bundle } from '../fakes/store-values.ts'
import { FULL } from './full.ts'
import { createWorld } from './sync-world.ts'

const own = parseTrustDomain('td')
const [hostile, bystander] = ['hostile', 'bystander'].map((name) =>
  parseSpiffeId(`spiffe://td/spire/agent/${name}`),
)
const decode = serviceDefinition(SyncService)['Sync']!.requestDeserialize

const bytes = fc.uint8Array({ maxLength: 80 })
const ids = fc.array(fc.string({ maxLength: 300 }), { maxLength: 70, size: 'max' })
const message = fc.oneof(
  fc.record({ raw: bytes }),
  fc.record({
    open: fc.record({
      resumeToken: fc.oneof(bytes, fc.uint8Array({ minLength: 63, maxLength: 63 })),
      agentVersion: fc.string({ maxLength: 200 }),
    }),
  }),
  fc.record({
    applied: fc.record({
      resumeToken: fc.option(bytes, { nil: undefined }),
      x509AuthoritiesInUse: ids,
      jwtAuthoritiesInUse: ids,
    }),
  }),
  fc.constant({ change: true }),
)
type Message = typeof message extends fc.Arbitrary<infer T> ? T : never

const CODES: readonly number[] = [status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED]

async function run(messages: readonly Message[]): Promise<boolean> {
  const rounds = new Map<string, SyncResponse[]>()
  const world = createWorld(own, (id, part) => rounds.set(id, [...(rounds.get(id) ?? []), part]))
  let sequence = 0
  const change = (): void => {
    const next = bundle(own, { sequence: ++sequence })
    world.commit({ bundles: new Map([[own, next]]) }, { lag: false })
  }
  const agents = [hostile!, bystander!].map((id) => [id, { ...agent('/x'), id }] as const)
  world.commit({ agents: new Map(agents) }, { lag: false })
  change()
  const beside = world.open(bystander!)
  beside.say({ case: 'open', value: create(OpenSchema) })
  const call = world.open(hostile!)
  let code: number | undefined
  call.on('error', (ended: { code: number }) => (code = ended.code))
  for (const one of messages) {
    const last = rounds.get(hostile!)?.at(-1)?.resumeToken ?? new Uint8Array()
    if ('change' in one) change()
    else if ('raw' in one) call.emit('data', decode(Buffer.from(one.raw)))
    else {
      const step =
        'open' in one
          ? ({ case: 'open', value: create(OpenSchema, one.open) } as const)
          : ({
              case: 'applied',
              value: create(AppliedSchema, {
                ...one.applied,
                resumeToken: one.applied.resumeToken ?? last,
              }),
            } as const)
      const sent = toBinary(SyncRequestSchema, create(SyncRequestSchema, { step }))
      call.emit('data', decode(Buffer.from(sent)))
    }
    await settle(1)
  }
  assert(code === undefined || CODES.includes(code), `${code}`)
  // Whatever one says, the others have what is theirs.
  change()
  for (let left = 3; left > 0; left--) {
    await settle(4)
    const { resumeToken } = rounds.get(bystander!)!.at(-1)!
    if (!beside.ended)
      beside.say({ case: 'applied', value: create(AppliedSchema, { resumeToken }) })
  }
  assert.equal(beside.ended, false)
  const heard = rounds.get(bystander!)!.flatMap(({ bundles }) => bundles)
  assert.equal(heard.at(-1)?.sequenceNumber, BigInt(sequence))
  const { ended } = call
  world.stop()
  return ended
}

test('whatever an agent says on its sync stream ends that stream at most, with a status that says why', async () => {
  let [ended, left] = [0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 8 }), async (messages) => {
      if (await run(messages)) ended++
      else left++
    }),
    { numRuns: FULL ? 3_000 : 300 },
  )
  assert(ended > 30 && left > 5, `${ended} ${left}`)
})
