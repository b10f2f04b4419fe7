import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import * as grpc from '@grpc/grpc-js'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import type { Entry } from '#spire/api/types/entry_pb.js'
import { serviceDefinition } from '../../../../src/wire/service.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { command, startOperator } from './setting.ts'
import type { Ran } from './setting.ts'

const ENTRIES = Array.from({ length: 650 }, (_, index) => ({
  spiffe_id: `spiffe://example.org/w${index}`,
  parent_id: 'spiffe://example.org/host',
  selectors: [{ type: 'unix', value: `uid:${index}` }],
}))
const DATA = JSON.stringify({ entries: ENTRIES })
const IDS = JSON.stringify({ ids: ENTRIES.map((_, index) => `e${index}`) })

/** A server that does what it is asked twice, refuses `/w7` and `e7`, and then goes away. */
async function goesAway(t: TestContext): Promise<string> {
  const server = new grpc.Server()
  let left = 2
  const answer =
    <I extends DescMessage, O extends DescMessage>(
      { output }: { readonly input: I; readonly output: O },
      of: (request: MessageShape<I>) => MessageInitShape<O>,
    ): grpc.handleUnaryCall<MessageShape<I>, MessageShape<O>> =>
    ({ request }, callback) => {
      left -= 1
      if (left >= 0) callback(null, create(output, of(request)))
      else callback({ code: grpc.status.UNAVAILABLE, details: 'the server is stopping' })
    }
  const [done, refused] = [
    { code: grpc.status.OK, message: 'OK' },
    { code: grpc.status.INVALID_ARGUMENT, message: 'no' },
  ]
  const made = ({ entries }: { readonly entries: readonly Entry[] }) => ({
    results: entries.map((entry) =>
      entry.spiffeId?.path === '/w7' ? { status: refused } : { status: done, entry },
    ),
  })
  const { batchCreateEntry, batchUpdateEntry, batchDeleteEntry } = EntryService.method
  const definition = serviceDefinition(EntryService)
  server.addService(
    {
      BatchCreateEntry: definition['BatchCreateEntry']!,
      BatchUpdateEntry: definition['BatchUpdateEntry']!,
      BatchDeleteEntry: definition['BatchDeleteEntry']!,
    },
    {
      BatchCreateEntry: answer(batchCreateEntry, made),
      BatchUpdateEntry: answer(batchUpdateEntry, made),
      BatchDeleteEntry: answer(batchDeleteEntry, ({ ids }) => ({
        results: ids.map((id) => ({ id, status: id === 'e7' ? refused : done })),
      })),
    },
  )
  const path = join(temporaryFolder(t), 'socket')
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  t.after(() => server.forceShutdown())
  return path
}

const asked = async (t: TestContext, line: string, input: string): Promise<Ran> =>
  command([...line.split(' '), '--server-socket', await goesAway(t)], input)

const STOPPED =
  '400 of 650 were answered; of the 200 after them it is not known whether they are stored; 50 were not asked for\n'

for (const verb of ['create', 'update'] as const)
  test(`entry ${verb} -data prints what was done before the server went away, and how much was not`, async (t) => {
    const { code, out, err } = await asked(t, `entry ${verb} -data -`, DATA)
    assert.equal(code, 3)
    assert.equal(out.match(/^Entry ID/gm)?.length, 399)
    assert.equal(err.match(/^Failed to/gm)?.length, 1)
    assert.ok(
      err.includes(`399 ${verb}d, 1 failed\n${STOPPED}spindle: the server is stopping\n`),
      err,
    )
  })

test('entry create -data -output json prints the results there are, though the server went away', async (t) => {
  const { code, out, err } = await asked(t, 'entry create -data - -output json', DATA)
  const { results } = JSON.parse(out) as { results: readonly { status: { code: number } }[] }
  assert.deepEqual([code, results.length], [3, 400])
  assert.equal(results.filter(({ status }) => status.code === 0).length, 399)
  assert.ok(err.includes(STOPPED))
})

test('entry delete -file prints what was deleted before the server went away', async (t) => {
  const { code, out, err } = await asked(t, 'entry delete -file -', IDS)
  assert.equal(code, 3)
  assert.equal(out.match(/^Deleted entry with ID/gm)?.length, 399)
  assert.match(out, /^Deleted 399 entries successfully, but failed to delete 1 entries$/m)
  assert.ok(err.includes(STOPPED))
})

test('entry import says what it did before the server went away, and goes on from there when it runs again', async (t) => {
  const first = await asked(t, 'entry import -', DATA)
  assert.equal(first.code, 3)
  assert.equal(first.out.match(/^created /gm)?.length, 399)
  assert.match(first.out, /^399 created, 0 there already, 1 failed\n$/m)
  assert.match(first.err, /^entries\[7\] spiffe:\/\/example\.org\/w7: code: InvalidArgument/)
  assert.ok(first.err.includes(STOPPED))

  const { spindle, out } = await startOperator(t)
  const some = { entries: ENTRIES.slice(0, 400) }
  await out('entry import -', JSON.stringify(some))
  const again = await spindle('entry import -', DATA)
  assert.deepEqual([again.code, again.err], [0, ''])
  assert.match(again.out, /^250 created, 400 there already, 0 failed\n$/m)
})

test('a server that cannot be reached at all is all that is said', async (t) => {
  const nobody = join(temporaryFolder(t), 'socket')
  const { code, out, err } = await command(
    ['entry', 'import', '-', '--server-socket', nobody],
    JSON.stringify({ entries: ENTRIES.slice(0, 3) }),
  )
  assert.deepEqual([code, out], [3, ''])
  assert.match(err, /^spindle: .* does not answer: there is no such socket \(ENOENT\)\n/)
})
