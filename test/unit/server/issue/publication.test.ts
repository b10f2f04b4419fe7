import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { test } from 'node:test'
import type { SlotStatus, SlotView } from '../../../../src/authority/authority.ts'
import { authorityIdOf } from '../../../../src/certs/issuer.ts'
import { parseCertificate } from '../../../../src/certs/parse.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { StoredBundle } from '../../../../src/store/model.ts'
import type { Store } from '../../../../src/store/port.ts'
import { until } from '../../../fakes/until.ts'
import { fleet, trustDomain } from './setting.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const anchorIds = ({ x509Authorities }: StoredBundle): string[] =>
  x509Authorities.map(({ certificate }) => authorityIdOf(parseCertificate(certificate, 'it')))
const taintedIds = (bundle: StoredBundle): string[] =>
  anchorIds({ ...bundle, x509Authorities: bundle.x509Authorities.filter((one) => one.tainted) })
const idOf = (slots: readonly SlotView[], wanted: SlotStatus): string =>
  slots.find(({ status }) => status === wanted)?.authorityId ?? `none is ${wanted}`

test('a next authority is in the stored bundle before it signs', async (t) => {
  const { server, bundle, store } = await fleet(t)
  const { x509, jwt, serverId } = await server('a').open()
  const first = idOf(x509.state.current.slots, 'active')
  const before = (await bundle()).sequence
  await x509.prepare()
  const next = idOf(x509.state.current.slots, 'prepared')
  assert.deepEqual(anchorIds(await bundle()), [first, next])
  assert.equal((await bundle()).sequence, before + 1)
  const key = { serverId, kind: 'x509', authorityId: next } as const
  const journaled = await store.authorities.change(key, (row) => row)
  assert.equal(journaled?.status, 'prepared')
  assert.equal(journaled.notAfter, x509.state.current.slots[1]?.notAfter)
  await jwt.prepare()
  const { jwtAuthorities } = await bundle()
  assert.deepEqual(
    jwtAuthorities.map(({ keyId }) => keyId),
    jwt.state.current.slots.map(({ authorityId }) => authorityId),
  )
  await x509.activate()
  assert.equal(idOf(x509.state.current.slots, 'active'), next)
  assert.equal((await store.authorities.change(key, (row) => row))?.status, 'active')
})

test('while the store is away the present authority signs on: a next one that it does not have never signs, one that it has waits', async (t) => {
  const at = await fleet(t)
  const { x509 } = await at.server('a', 'authority: { kind: embedded, caTtl: 6h }').open()
  const first = idOf(x509.state.current.slots, 'active')
  at.away = true
  await assert.rejects(x509.prepare(), { code: 'authority_unavailable' })
  await assert.rejects(x509.activate(), { code: 'authority_unavailable' })
  // Past the instant of activation.
  await at.clock.advance(5 * HOUR + MINUTE)
  await x509.reload()
  assert.equal(idOf(x509.state.current.slots, 'active'), first)
  assert.match(x509.state.current.fault ?? '', /cannot be stored: away/)
  at.away = false
  await x509.reload()
  const next = idOf(x509.state.current.slots, 'prepared')
  assert.deepEqual(anchorIds(await at.bundle()), [first, next])
  at.away = true
  await assert.rejects(x509.activate(), { code: 'store_unavailable' })
  // It was published for long enough.
  await at.clock.advance(6 * MINUTE)
  await x509.reload()
  assert.equal(idOf(x509.state.current.slots, 'active'), first)
  at.away = false
  await x509.reload()
  assert.equal(idOf(x509.state.current.slots, 'active'), next)
})

test('where the store takes no change a server that it knows starts, and says so; one that it does not know does not start', async (t) => {
  const at = await fleet(t)
  const known = at.server('a')
  const before = await known.open()
  await before.close()
  const seen = () => Promise.reject(new SpindleError('store_unavailable', 'the disk is full'))
  const { bundles, authorities } = at.store
  const full = { bundles, authorities, servers: { list: () => at.store.servers.list(), seen } }
  const store = full as unknown as Store
  const after = await known.open({ store })
  t.after(() => after.close())
  assert.deepEqual(after.x509.state.current, before.x509.state.current)
  const told = known.events.filter(({ of }) => of === 'publication')
  assert.deepEqual(told, [{ of: 'publication', fault: 'the disk is full' }])
  const other = at.server(
    'b',
    'store: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }',
  )
  await assert.rejects(other.open({ store }), { code: 'store_unavailable' })
})

test('after the clock went back to before its life an authority signs on, until the next one was in the bundle for long enough', async (t) => {
  const { server, bundle, clock } = await fleet(t)
  const { x509, jwt, svid } = await server('a').open()
  const first = idOf(x509.state.current.slots, 'active')
  const firstKey = idOf(jwt.state.current.slots, 'active')
  clock.jump(-HOUR)
  await clock.advance(11_000)
  await x509.reload()
  const { spki } = await generateKey('ec-p256')
  const spiffeId = parseSpiffeId('spiffe://example.org/web')
  const issued = await x509.issue({ spiffeId, spki, dnsNames: [], ttlMs: HOUR })
  assert.equal(issued.authorityId, first)
  // For those who have the right time.
  assert.ok(issued.notAfter >= clock.now() + 2 * HOUR - MINUTE)
  const token = await jwt.issue({ spiffeId, audience: ['a'], ttlMs: HOUR })
  assert.equal(token.authorityId, firstKey)
  const next = idOf(x509.state.current.slots, 'prepared')
  assert.deepEqual(anchorIds(await bundle()), [first, next])
  await clock.advance(5 * MINUTE)
  await x509.reload()
  assert.equal(idOf(x509.state.current.slots, 'active'), next)
  await clock.advance(11_000)
  const { authorityId, notAfter } = await until(svid, (now) => now.authorityId !== first)
  assert.equal(authorityId, next)
  assert.ok(notAfter <= clock.now() + HOUR)
  assert.deepEqual(anchorIds(await bundle()), [first, next])
})

test('what is tainted is so in the stored bundle, and what is revoked is not in it; the server has another SVID at once', async (t) => {
  const { server, bundle } = await fleet(t)
  const { x509, jwt, svid } = await server('a').open()
  const first = idOf(x509.state.current.slots, 'active')
  const firstKey = idOf(jwt.state.current.slots, 'active')
  for (const authority of [x509, jwt]) {
    await authority.prepare()
    await authority.activate()
  }
  assert.equal(svid.current.authorityId, first)
  await x509.taint(first)
  assert.deepEqual(taintedIds(await bundle()), [first])
  const { authorityId } = await until(svid, ({ authorityId }) => authorityId !== first)
  assert.equal(authorityId, idOf(x509.state.current.slots, 'active'))
  await jwt.taint(firstKey)
  assert.deepEqual(
    (await bundle()).jwtAuthorities.map(({ keyId, tainted }) => [keyId === firstKey, tainted]),
    [
      [true, true],
      [false, false],
    ],
  )
  await x509.revoke(first)
  await jwt.revoke(firstKey)
  assert.deepEqual(anchorIds(await bundle()), [authorityId])
  assert.equal((await bundle()).jwtAuthorities.length, 1)
})

test('two servers on a store have the union of their authorities, and each changes its own', async (t) => {
  const { server, bundle, store } = await fleet(t)
  const postgres = 'store: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }'
  const a = await server('a', postgres).open()
  const b = await server('b', postgres).open()
  const ofB = idOf(b.x509.state.current.slots, 'active')
  assert.notEqual(a.serverId, b.serverId)
  const first = idOf(a.x509.state.current.slots, 'active')
  assert.deepEqual(anchorIds(await bundle()), [first, ofB])
  await Promise.all([a.x509.prepare(), b.x509.prepare(), a.jwt.prepare(), b.jwt.prepare()])
  const { x509Authorities, jwtAuthorities } = await bundle()
  assert.deepEqual([x509Authorities.length, jwtAuthorities.length], [4, 4])
  await a.x509.activate()
  await a.x509.revoke(first)
  assert.equal((await bundle()).x509Authorities.length, 3)
  assert.ok(anchorIds(await bundle()).includes(ofB))
  assert.equal((await store.servers.list()).length, 2)
})

test('what a removed server had in the bundle goes, and what nobody claims stays until it has expired for a day', async (t) => {
  const { server, bundle, store, clock } = await fleet(t)
  const postgres = 'store: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }'
  const a = await server('a', postgres).open()
  const b = await server('b', postgres).open()
  const key = { publicKey: Uint8Array.of(1), tainted: false }
  const unclaimed = { ...key, keyId: 'of another', expiresAt: clock.now() + HOUR }
  await store.bundles.change(
    trustDomain,
    (current) => current && { ...current, jwtAuthorities: [...current.jwtAuthorities, unclaimed] },
  )
  const own = a.x509.state.current.slots.map(({ authorityId }) => authorityId)
  await b.close()
  await store.servers.remove(b.serverId)
  await clock.advance(11 * MINUTE)
  // Whatever is begun is done by then.
  await a.close()
  assert.deepEqual(anchorIds(await bundle()), own)
  assert.deepEqual(
    (await store.authorities.list()).filter(({ serverId }) => serverId !== a.serverId),
    [],
  )
  assert.ok((await bundle()).jwtAuthorities.some(({ keyId }) => keyId === 'of another'))
  clock.jump(25 * HOUR)
  const again = await server('c', postgres).open()
  assert.ok(!(await bundle()).jwtAuthorities.some(({ keyId }) => keyId === 'of another'))
  await again.close()
})

test('what somebody takes out of the own bundle is put back', async (t) => {
  const { server, bundle, store } = await fleet(t)
  const listeners: (() => void)[] = []
  let known: StoredBundle | undefined
  const registry = {
    bundle: () => known,
    onChange(listen: (change: never) => void) {
      listeners.push(() => listen({ bundles: new Set([trustDomain]) } as never))
      return () => {}
    },
  }
  const { x509 } = await server('a').open({ registry })
  const own = anchorIds(await bundle())
  known = await store.bundles.change(
    trustDomain,
    (current) => current && { ...current, x509Authorities: [] },
  )
  for (const listen of listeners) listen()
  await x509.reload()
  assert.deepEqual(anchorIds(await bundle()), own)
})

test('two servers on copies of one state folder take nothing of each other out of the bundle, and it is told', async (t) => {
  const { server, bundle } = await fleet(t)
  const postgres = 'store: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }'
  const one = server('a', postgres)
  await (await one.open()).close()
  const other = server('b', postgres)
  cpSync(one.stateDir, other.stateDir, { recursive: true })
  const [a, b] = [await one.open(), await other.open()]
  await a.x509.prepare()
  await b.x509.prepare()
  await a.x509.activate()
  await b.x509.activate()
  const ids = anchorIds(await bundle())
  for (const { x509 } of [a, b])
    for (const { authorityId } of x509.state.current.slots) assert.ok(ids.includes(authorityId))
  const told = other.events.flatMap((event) => (event.of === 'publication' ? [event.fault] : []))
  assert.match(told.join(), /another server runs with a copy of stateDir/)
})
