import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createTrust,
  hasLost,
  readTrust,
  verifyServer,
} from '../../../../../src/agent/obtain/server/trust.ts'
import { toPem } from '../../../../../src/certs/parse.ts'
import { systemClock } from '../../../../../src/runtime/clock.ts'
import { serializeBundle } from '../../../../../src/spiffe/bundle.ts'
import { createFleet } from '../../../server/admit/fleet.ts'

const fleet = await createFleet()
const next = await createFleet()
const { trustDomain, root } = fleet
const expected = { trustDomain, authorities: [next.root, root], clock: systemClock }

test("verifyServer takes the server's SVID alone, and tells what it leads to", async () => {
  const { chain } = await fleet.sign('/spire/server')
  assert.deepEqual(verifyServer(chain, expected), root)
  const below = await fleet.signBelow('/spire/server')
  assert.deepEqual(verifyServer(below.chain, expected), root)
})

test('verifyServer refuses an agent, a workload and another CA, whatever they are called', async () => {
  for (const path of ['/spire/agent/x', '/web', '/spire/server/x']) {
    const { chain } = await fleet.sign(path)
    assert.throws(() => verifyServer(chain, expected), { message: /which is not spiffe:/ }, path)
  }
  const { chain } = await fleet.sign('/spire/server')
  const stranger = { ...expected, authorities: [next.root] }
  assert.throws(() => verifyServer(chain, stranger), { code: 'certificate_invalid' })
  const foreign = await (await createFleet('other.test')).sign('/spire/server')
  assert.throws(() => verifyServer(foreign.chain, expected), {
    code: 'certificate_invalid',
    message: 'it is of the trust domain other.test, and trustDomain here is example.org',
  })
  const late = await fleet.sign('/spire/server', { notAfter: Date.now() - 1_000 })
  assert.throws(() => verifyServer(late.chain, expected), { message: /has expired/ })
})

test('readTrust reads PEM and SPIFFE bundles, and nothing else', () => {
  const as = { trustDomain, place: 'bundle' }
  assert.deepEqual(readTrust(toPem(root, 'CERTIFICATE'), as), [root])
  const bundle = { trustDomain, x509Authorities: [root], jwtAuthorities: [] }
  assert.deepEqual(
    readTrust(serializeBundle(bundle), as).map((der) => Buffer.from(der)),
    [root],
  )
  const none = serializeBundle({ ...bundle, x509Authorities: [] })
  assert.throws(() => readTrust(none, as), { code: 'bundle_invalid' })
  for (const text of ['', 'x', '{', '<html>']) assert.throws(() => readTrust(text, as), text)
})

test('a trust follows the bundle, but never to nothing', () => {
  const trust = createTrust({ authorities: [root], pinned: undefined })
  trust.replace([])
  trust.replace([Buffer.from('no')])
  assert.deepEqual(trust.state.current?.authorities, [root])
  const before = trust.state.current
  trust.replace([Buffer.from(root)])
  assert.equal(trust.state.current, before, 'the same is no change')
  trust.replace([root, next.root])
  assert.equal(hasLost(before, trust.state.current), false)
  const both = trust.state.current
  trust.replace([next.root])
  assert.equal(hasLost(both, trust.state.current), true)
})

test('what was pinned is pinned until the bundle has it no more', () => {
  const trust = createTrust({ authorities: [root], pinned: root })
  trust.replace([next.root, root])
  assert.deepEqual(trust.state.current?.pinned, root)
  trust.replace([next.root])
  assert.equal(trust.state.current?.pinned, undefined)
})
