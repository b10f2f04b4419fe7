import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { Store } from '../../src/store/port.ts'
import { agent, bundle, entry, id, selectors, td } from '../fakes/store-values.ts'
import { kinds, pages, storeTest } from './stores.ts'

for (const kind of kinds) {
  describe(`Store, ${kind.name}: agents, tokens, bundles, federation, servers`, () => {
    storeTest(kind, 'agents: change makes, changes and deletes, with all fields', async (store) => {
      const full = agent('/spire/agent/x', {
        pending: { serial: '2', expiresAt: 5_000 },
        canReattest: true,
        version: '1.2.3',
        selectors: selectors('b:2', 'a:1'),
      })
      const made = await store.agents.change(full.id, (current) => {
        assert.equal(current, undefined)
        return full
      })
      assert.deepEqual(made, { ...full, selectors: selectors('a:1', 'b:2') })
      assert.deepEqual(await store.agents.get(full.id), made)
      const banned = await store.agents.change(full.id, (current) => ({
        ...current!,
        banned: true,
      }))
      assert.deepEqual(banned, { ...made, banned: true })
      const { revisions } = store.changes
      const before = revisions.current
      await store.agents.change(full.id, (current) => ({ ...current! }))
      assert.equal(revisions.current, before, 'what says the same is no change')
      assert.equal(await store.agents.change(full.id, () => undefined), undefined)
      assert.equal(await store.agents.get(full.id), undefined)
    })

    storeTest(kind, 'agents: list and count by each filter, in pages', async (store) => {
      const all = [
        agent('/spire/agent/1', { selectors: selectors('a:1', 'a:2'), canReattest: true }),
        agent('/spire/agent/2', { attestationType: 'x509pop', expiresAt: 2_000 }),
        agent('/spire/agent/3', { banned: true, selectors: selectors('a:1'), expiresAt: 3_000 }),
      ]
      for (const one of all) await store.agents.change(one.id, () => one)
      const found = async (filter: Parameters<Store['agents']['list']>[0]) => {
        const items = (await pages((page) => store.agents.list(filter, page), 1)).flat()
        assert.equal(await store.agents.count(filter), items.length)
        return items.map((one) => one.id.at(-1)).join('')
      }
      assert.equal(await found({}), '123')
      assert.equal(await found({ attestationType: 'x509pop' }), '2')
      assert.equal(await found({ banned: true }), '3')
      assert.equal(await found({ banned: false, canReattest: true }), '1')
      assert.equal(await found({ expiresBefore: 3_000 }), '12')
      assert.equal(await found({ selectors: { match: 'exact', of: selectors('a:1') } }), '3')
      assert.equal(await found({ selectors: { match: 'superset', of: selectors('a:1') } }), '13')
      assert.equal(
        await found({ selectors: { match: 'subset', of: selectors('a:1', 'b:1') } }),
        '3',
      )
    })

    storeTest(
      kind,
      'agents: prune leaves the banned, and those that cannot attest again unless it is said',
      async (store) => {
        const expired = { expiresAt: 10 }
        const all = [
          agent('/spire/agent/1', { ...expired, canReattest: true }),
          agent('/spire/agent/2', expired),
          agent('/spire/agent/3', { ...expired, canReattest: true, banned: true }),
          agent('/spire/agent/4', { expiresAt: 100, canReattest: true }),
        ]
        for (const one of all) await store.agents.change(one.id, () => one)
        const told: string[] = []
        const tell = (gone: readonly string[]) => void told.push(...gone)
        assert.equal(await store.agents.prune({ expiredBefore: 100, once: false }, tell), 1)
        assert.equal(await store.agents.prune({ expiredBefore: 100, once: true }, tell), 1)
        assert.deepEqual(told, [all[0]?.id, all[1]?.id])
        const { items } = await store.agents.list({}, { limit: 10 })
        assert.deepEqual(
          items.map((one) => one.id.at(-1)),
          ['3', '4'],
        )
      },
    )

    storeTest(kind, 'bundles: keep certificates and keys byte by byte', async (store) => {
      const key = { keyId: 'k', publicKey: Uint8Array.of(1, 2, 3), tainted: true }
      const full = bundle('one.test', {
        jwtAuthorities: [{ ...key, expiresAt: 7 }],
        witAuthorities: [key],
        refreshHintSeconds: 60,
        sequence: 4,
      })
      assert.deepEqual(await store.bundles.change(td('one.test'), () => full), full)
      assert.deepEqual(await store.bundles.get(td('one.test')), full)
      await store.bundles.change(td('two.test'), () => bundle('two.test'))
      assert.equal(await store.bundles.count(), 2)
      const all = await pages((page) => store.bundles.list(page), 1)
      assert.deepEqual(
        all.flat().map(({ trustDomain }) => trustDomain),
        ['one.test', 'two.test'],
      )
    })

    storeTest(
      kind,
      'bundles: changes asked for at once are made one after the other',
      async (store) => {
        await Promise.all(
          Array.from({ length: 20 }, () =>
            store.bundles.change(td('one.test'), (was) =>
              bundle('one.test', { sequence: (was?.sequence ?? 0) + 1 }),
            ),
          ),
        )
        assert.equal((await store.bundles.get(td('one.test')))?.sequence, 20)
      },
    )

    storeTest(
      kind,
      'bundles: delete restricts, dissociates, or takes the entries along',
      async (store) => {
        const [one, two] = [td('one.test'), td('two.test')]
        const make = () => store.bundles.change(one, () => bundle('one.test'))
        const federated = Array.from({ length: 130 }, (_, at) =>
          entry(`/${at}`, { federatesWith: at % 2 === 0 ? [one] : [one, two] }),
        )
        await make()
        await store.entries.create([...federated, entry('/other', { federatesWith: [two] })])
        assert.deepEqual(await store.bundles.delete(one, 'restrict'), {
          kind: 'in_use',
          entries: 130,
        })
        const parted = await store.bundles.delete(one, 'dissociate')
        assert.ok(parted.kind === 'deleted')
        assert.deepEqual(
          [parted.entries.length, new Set(parted.entries.map(({ revision }) => revision))],
          [130, new Set([1])],
        )
        assert.deepEqual(await store.bundles.delete(one, 'restrict'), { kind: 'not_found' })
        const with_ = (name: typeof one) =>
          ({ federatesWith: { match: 'any', of: [name] } }) as const
        assert.equal(await store.entries.count(with_(one)), 0)
        const { items } = await store.entries.list(with_(two), { limit: 1000 })
        assert.deepEqual(
          [items.length, new Set(items.map(({ revision }) => revision))],
          [66, new Set([0, 1])],
        )
        await store.bundles.change(two, () => bundle('two.test'))
        const gone = await store.bundles.delete(two, 'delete')
        assert.ok(gone.kind === 'deleted')
        assert.deepEqual(
          new Map(gone.entries.map(({ id: key, revision }) => [key, revision])),
          new Map(items.map(({ id: key, revision }) => [key, revision])),
        )
        assert.equal(await store.entries.count({}), 65)
        await make()
        assert.deepEqual(await store.bundles.delete(one, 'restrict'), {
          kind: 'deleted',
          entries: [],
        })
      },
    )

    storeTest(kind, 'federation, authorities and servers: as they were written', async (store) => {
      const web = {
        trustDomain: td('one.test'),
        endpointUrl: 'https://one.test',
        profile: { kind: 'https_web' },
      } as const
      const spiffe = {
        trustDomain: td('two.test'),
        endpointUrl: 'https://two.test/x',
        profile: { kind: 'https_spiffe', endpointId: id('/spire/server') },
      } as const
      for (const one of [web, spiffe]) await store.federation.change(one.trustDomain, () => one)
      assert.deepEqual((await store.federation.list({ limit: 10 })).items, [web, spiffe])
      const authority = {
        serverId: 's1',
        kind: 'x509',
        authorityId: 'aa',
        status: 'active',
        notAfter: 9,
      } as const
      await store.authorities.change(authority, () => authority)
      const signed = { ...authority, serverId: 's2', upstreamKeyId: 'bb' }
      await store.authorities.change(signed, () => signed)
      await store.authorities.change(authority, (was) => ({ ...was!, status: 'old' }))
      assert.deepEqual(await store.authorities.list(), [{ ...authority, status: 'old' }, signed])
      await store.authorities.change(authority, () => undefined)
      assert.deepEqual(await store.authorities.list(), [signed])
      await store.servers.seen('s1', 1)
      await store.servers.seen('s2', 2)
      await store.servers.seen('s1', 3)
      assert.deepEqual(await store.servers.list(), [
        { id: 's1', lastSeen: 3 },
        { id: 's2', lastSeen: 2 },
      ])
      await store.servers.remove('s2')
      assert.deepEqual(await store.servers.list(), [{ id: 's1', lastSeen: 3 }])
    })
  })
}
