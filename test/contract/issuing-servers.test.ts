import assert from 'node:assert/strict'
import { test } from 'node:test'
import { placeOf, sharedPostgres } from '../contract/stores.ts'
import { fleet, trustDomain } from '../unit/server/issue/setting.ts'

const POSTGRES = 'store: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }'

test('servers on one PostgreSQL database, each with connections of its own, publish at the same time and lose nothing', async (t) => {
  const database = await sharedPostgres(t)
  if (database === undefined) return
  const { server } = await fleet(t)
  const place = placeOf(t, { kind: 'postgres', target: await database.database() })
  const stores = await Promise.all([place.open(), place.open(), place.open()])
  const issuings = await Promise.all(
    stores.map((store, index) => server(`server ${index}`, POSTGRES).open({ store })),
  )
  await Promise.all(issuings.flatMap(({ x509, jwt }) => [x509.prepare(), jwt.prepare()]))
  await Promise.all(issuings.flatMap(({ x509, jwt }) => [x509.activate(), jwt.activate()]))
  const first = issuings[0]!
  const old = first.x509.state.current.slots.find(({ status }) => status === 'old')
  await first.x509.taint(old?.authorityId ?? '')
  await first.x509.revoke(old?.authorityId ?? '')
  const bundle = await stores[1]!.bundles.get(trustDomain)
  const anchors = issuings.flatMap(({ x509 }) => x509.state.current.anchors)
  assert.deepEqual(
    bundle?.x509Authorities
      .map(({ certificate }) => Buffer.from(certificate).toString('hex'))
      .sort(),
    anchors.map((der) => Buffer.from(der).toString('hex')).sort(),
  )
  assert.equal(bundle?.jwtAuthorities.length, 6)
  assert.equal((await stores[2]!.servers.list()).length, 3)
  await Promise.all(issuings.map((issuing) => issuing.close()))
})
