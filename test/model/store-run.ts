import assert from 'node:assert/strict'
import type { Store } from '../../src/store/port.ts'
import { pages } from '../contract/stores.ts'
import { agent, bundle, entry, id } from '../fakes/store-values.ts'
import type { Place } from '../contract/stores.ts'
import type { Content, Step } from './store-history.ts'
import { StoreModel } from './store-model.ts'

/** Between two steps, in ms. */
export const STEP_MS = 10

/** What the store said, and what the model says; lists of what was seen, so that a history that meets nothing is noticed. */
export class Run {
  readonly model = new StoreModel()
  readonly place: Place
  readonly seen: Record<string, number>
  store: Store
  start = 0

  constructor(place: Place, store: Store, seen: Record<string, number>) {
    this.place = place
    this.store = store
    this.seen = seen
    this.start = place.clock.now()
  }

  note(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1
  }

  /** ms of `steps` from now. */
  in(steps: number): number {
    return this.model.now + steps * STEP_MS
  }

  entry({ path, life, ...rest }: Content) {
    return entry(path, { ...rest, ...(life !== null && { expiresAt: this.in(life) }) })
  }

  async take(one: Step): Promise<void> {
    const { model } = this
    model.now = this.place.clock.now()
    switch (one.do) {
      case 'create': {
        const asked = one.of.map((each) => ({ ...this.entry(each.content), id: each.id }))
        const said = await this.store.entries.create(asked)
        assert.deepEqual(said, model.create(asked))
        for (const { kind } of said) this.note(kind)
        return
      }
      case 'update': {
        const asked = one.of.map((each) => {
          const next = this.entry(each.content)
          // Now and then only a part, which may be as it was.
          const change = (was: object) =>
            next.downstream ? next : { ...next, ...was, hint: next.hint }
          return { id: each.id, change }
        })
        const said = await this.store.entries.update(asked)
        const wanted = asked.map((each) => model.update(each.id, each.change))
        assert.deepEqual(
          said.map(({ kind }) => kind),
          wanted,
        )
        for (const kind of wanted) this.note(`update ${kind}`)
        return
      }
      case 'delete': {
        const said = await this.store.entries.delete(one.of)
        assert.deepEqual(
          said.map(({ kind }) => kind === 'deleted'),
          one.of.map((each) => model.delete(each)),
        )
        return
      }
      case 'list': {
        const wanted = model.list(one.filter)
        const said = await pages((page) => this.store.entries.list(one.filter, page), one.limit)
        assert.deepEqual(said.flat(), wanted)
        assert(said.every((page, at) => at === said.length - 1 || page.length === one.limit))
        assert.equal(await this.store.entries.count(one.filter), wanted.length)
        if (wanted.length > 0) this.note('listed')
        return
      }
      case 'agent':
      case 'evict':
      case 'agents':
      case 'bundle':
      case 'unbundle':
      case 'since':
      case 'prune':
      case 'restart':
        return await this.takeOther(one)
    }
  }

  async takeOther(
    one: Exclude<Step, { do: 'create' | 'update' | 'delete' | 'list' }>,
  ): Promise<void> {
    const { model, store } = this
    switch (one.do) {
      case 'agent': {
        const { id: which, life, ...rest } = one.one
        const next = agent(`/spire/agent/${which}`, { ...rest, expiresAt: this.in(life) })
        await store.agents.change(next.id, () => next)
        return model.setAgent(next)
      }
      case 'evict': {
        const which = id(`/spire/agent/${one.which}`)
        await store.agents.change(which, () => undefined)
        return model.deleteAgent(which)
      }
      case 'agents': {
        const { expiresBefore } = one.filter
        const filter = { ...one.filter, expiresBefore: expiresBefore && this.in(expiresBefore) }
        const wanted = model.listAgents(filter)
        assert.deepEqual(
          (await pages((page) => store.agents.list(filter, page), one.limit)).flat(),
          wanted,
        )
        assert.equal(await store.agents.count(filter), wanted.length)
        if (wanted.length > 0) this.note('agents')
        return
      }
      case 'bundle': {
        const next = bundle(one.name, { sequence: one.sequence })
        await store.bundles.change(one.name, () => next)
        return model.setBundle(next)
      }
      case 'unbundle': {
        const { kind: said } = await store.bundles.delete(one.name, one.mode)
        assert.equal(said, model.deleteBundle(one.name, one.mode))
        return this.note(`bundle ${said}`)
      }
      case 'since':
        return await this.since(one.back, one.limit)
      case 'prune':
        return await this.prune(one.what)
      case 'restart':
        await store.close()
        this.store = await this.place.open()
    }
  }

  async prune(what: string): Promise<void> {
    const { model, store } = this
    let told = 0
    const tell = (gone: readonly unknown[]): void => void (told += gone.length)
    if (what === 'entries') {
      const gone = model.pruneEntries()
      assert.deepEqual([await store.entries.prune(model.now, tell), told], [gone, gone])
    } else if (what === 'changes') {
      const before = this.in(-30)
      await store.changes.prune(before)
      model.pruneChanges(before)
    } else {
      const once = what === 'all agents'
      const said = await store.agents.prune({ expiredBefore: model.now, once }, tell)
      const gone = model.pruneAgents(once)
      assert.deepEqual([said, told], [gone, gone])
    }
  }

  async since(back: number, most: number): Promise<void> {
    const { model, store } = this
    const head = await store.changes.position()
    assert.equal(head.revision, model.revision)
    let position = { ...head, revision: Math.max(0, head.revision - back) }
    if (position.revision < model.floor || position.revision > model.revision) {
      this.note('anew')
      assert.deepEqual(await store.changes.since(position, most), {
        kind: 'start_anew',
        position: head,
      })
      return
    }
    const wanted = model.changes.filter(({ revision }) => revision > position.revision)
    const said: unknown[] = []
    for (let more = true; more;) {
      const told = await store.changes.since(position, most)
      assert(told.kind === 'changes')
      said.push(...told.changes)
      ;({ position, more } = told)
    }
    assert.deepEqual(
      said,
      wanted.map(({ revision, kind, key }) => ({ revision, kind, key })),
    )
    assert.deepEqual(position, head)
    if (wanted.length > 0) this.note('since')
  }
}
