/** An agent that asks as SPIRE's agents do, at the server's services: after each look it has what it may serve. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bundle as BundleService } from '#spire/api/server/bundle/v1/bundle_pb.js'
import { Entry as EntryService } from '#spire/api/server/entry/v1/entry_pb.js'
import { poll } from '../../../../../src/agent/obtain/server/sync/poll.ts'
import { NOTHING } from '../../../../../src/agent/obtain/server/sync/round.ts'
import type { Held } from '../../../../../src/agent/obtain/server/sync/round.ts'
import { createBundleService } from '../../../../../src/server/serve/bundle/service.ts'
import { createEntryService } from '../../../../../src/server/serve/entry/service.ts'
import type { SecureClient } from '../../../../../src/wire/secure-client.ts'
import { bundle, entryId, id as spiffeId, td } from '../../../../fakes/store-values.ts'
import { full } from '../bundle/messages.ts'
import { bearer, setUp } from '../setting.ts'
import type { Setting } from '../setting.ts'
import { entry } from './messages.ts'

const AGENT = spiffeId('/spire/agent/a')

/** What the agent's side knows of a connection. */
function clientOf({ call, open }: Setting): SecureClient {
  return {
    call: (method, request) => call(method, request),
    bidi(method) {
      const stream = open(method)
      // A stream that is given up ends with an error that nobody waits for.
      stream.on('error', () => undefined)
      return {
        send: (message) => void stream.write(message),
        end: () => void stream.end(),
        messages: stream,
        cancel: () => stream.cancel(),
      }
    },
    close: () => undefined,
  }
}

test('an agent that polls has the entries and bundles of the registry after each look, whatever changed', async (t) => {
  const setting = await setUp(t, (parts) => {
    const [entries, bundles] = [createEntryService(parts), createBundleService(parts)]
    return {
      addTo(way) {
        entries.addTo(way)
        bundles.addTo(way)
      },
      endStreams: (why) => entries.endStreams(why),
    }
  })
  const { call, become, registry, trustDomain, store } = setting
  const { batchCreateEntry, batchDeleteEntry, batchUpdateEntry } = EntryService.method
  const { batchSetFederatedBundle, batchDeleteFederatedBundle } = BundleService.method
  await store.bundles.change(trustDomain, () => bundle('example.org', { x509Authorities: [] }))
  await registry.caughtUp()
  become(bearer(AGENT))

  let held: Held = NOTHING
  const look = async (bundles: readonly string[]): Promise<void> => {
    const { held: next, faults } = await poll(clientOf(setting), held, trustDomain)
    held = next
    assert.deepEqual(faults, [])
    const expected = registry.entriesOf(AGENT).map((each) => [each.id, each] as const)
    assert.deepEqual(new Map(held.entries), new Map(expected))
    assert.deepEqual(Array.from(held.bundles.keys()).toSorted(), ['example.org', ...bundles])
  }
  const some = (from: number, to: number, more = {}) =>
    Array.from({ length: to - from }, (_, at) =>
      entry(`/${from + at}`, { id: `e${from + at}`, ...more }),
    )

  await look([])
  await call(batchCreateEntry, { entries: some(0, 3) })
  await look([])
  await call(batchSetFederatedBundle, { bundle: [full('one.test'), full('two.test')] })
  await call(batchUpdateEntry, {
    entries: [{ id: 'e1', federatesWith: ['one.test', 'two.test'] }],
    inputMask: { federatesWith: true },
  })
  await look(['one.test', 'two.test'])
  // Beyond a message: from now on the server says revisions.
  await call(batchCreateEntry, { entries: some(3, 1203) })
  await look(['one.test', 'two.test'])
  const before = held
  await call(batchUpdateEntry, {
    entries: some(100, 110, { hint: 'h' }),
    inputMask: { hint: true },
  })
  await call(batchDeleteEntry, { ids: ['e7', 'e900'] })
  await call(batchDeleteFederatedBundle, { trustDomains: ['two.test'], mode: 2 })
  // Made anew under its ID: the revision begins again, at another time.
  await setting.clock.advance(1_000)
  await call(batchDeleteEntry, { ids: ['e5'] })
  await call(batchCreateEntry, { entries: some(5, 6, { hint: 'anew' }) })
  await look(['one.test'])
  assert.equal(held.entries.get('e5')?.hint, 'anew')
  assert.equal(held.entries.get('e8'), before.entries.get('e8'))
  await call(batchDeleteEntry, {
    ids: registry
      .entriesOf(AGENT)
      .map((each) => each.id)
      .slice(3),
  })
  await look(registry.entry(entryId('e1')) === undefined ? [] : ['one.test'])
  assert.equal(registry.bundle(td('two.test')), undefined)
})
