/** What is large in a store is cut: `node:sqlite` answers on the event loop, which others wait for. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { agent, entry, entryId, id } from '../fakes/store-values.ts'
import { kinds as allKinds, storeTest } from './stores.ts'
import { turnsOf } from '../fakes/turns.ts'

const kinds = allKinds.filter(({ name }) => name === 'sqlite')
const MANY = 1_000
const ids = Array.from({ length: MANY }, (_, at) => entryId(`e${at}`))

for (const kind of kinds) {
  describe(`Store, ${kind.name}: turns`, () => {
    storeTest(kind, 'a change of many entries has a turn for each hundred', async ({ entries }) => {
      const least = MANY / 100
      const made = ids.map((one) => entry(`/${one}`, { id: one }))
      assert.ok((await turnsOf(() => entries.create(made))).turns > least)
      const hint = (text: string) =>
        ids.map((one) => ({
          id: one,
          change: (known: (typeof made)[number]) => ({ ...known, hint: text }),
        }))
      assert.ok((await turnsOf(() => entries.update(hint('new')))).turns > least)
      // Nothing is changed, and nothing logged.
      assert.ok((await turnsOf(() => entries.update(hint('new')))).turns > least)
      assert.ok((await turnsOf(() => entries.delete(ids))).turns > least)
      assert.ok((await turnsOf(() => entries.delete(ids))).turns > least)
    })

    storeTest(kind, 'so have many changes that are made in one commit', async (store) => {
      const changes = () =>
        Promise.all(
          Array.from({ length: 256 }, (_, at) =>
            store.agents.change(id(`/spire/agent/${at}`), () => agent(`/spire/agent/${at}`)),
          ),
        )
      assert.ok((await turnsOf(changes)).turns > 8)
      assert.equal(await store.agents.count({}), 256)
    })
  })
}
