import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain } from '../../../../../src/agent/serve/admin/explain.ts'
import type { ExplainParts } from '../../../../../src/agent/serve/admin/explain.ts'
import { createRegistry } from '../../../../../src/registration/match.ts'
import type { Selector } from '../../../../../src/registration/selector.ts'
import { parseTrustDomain } from '../../../../../src/spiffe/spiffe-id.ts'
import { createFakeAttestor } from '../../../../fakes/attestor.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { createFakeConnection } from '../../../../fakes/connection.ts'
import { entry } from '../../obtain/setting.ts'

const of = (name: string, ...selectors: string[]) =>
  entry(name, { selectors: selectors as Selector[] })
const HASHED = of('hashed', 'unix:uid:1001', 'unix:sha256:aa')
const WEB = of('web', 'unix:uid:1001')

/** Of a process of uid 1001 whose executable cannot be hashed just now. */
function parts(): ExplainParts & { released: number } {
  const clock = createManualClock()
  const attestor = createFakeAttestor(clock, 'unix:uid:1001')
  attestor.unknownKinds = ['unix:sha256']
  const { peer } = createFakeConnection()
  const made = {
    attestor,
    clock,
    registry: createRegistry([HASHED, WEB]),
    policy: {
      reserved: { svid: 'default', bundle: 'ROOTCA', allBundles: 'ALL' },
      aliases: new Map(),
      trustDomain: parseTrustDomain('example.org'),
    },
    sds: { streams: new Set(), sidecars: new Map() } as unknown as ExplainParts['sds'],
    connections: () => [],
    bundleFault: () => undefined,
    identityOf: () => undefined,
    released: 0,
    open: () => ({ peer, alive: () => true, release: () => void (made.released += 1) }),
  }
  return made
}

test('explain says pending of a name that an entry not decided yet may change, and of no other', async () => {
  const stateOf = async (name: string): Promise<string> =>
    (await explain(parts(), { pid: 7, name })).nameState
  assert.equal(await stateOf('default'), 'pending')
  assert.equal(await stateOf(HASHED.spiffeId), 'pending')
  assert.equal(await stateOf('nothing'), 'pending')
  assert.equal(await stateOf(WEB.spiffeId), 'present')
  assert.equal(await stateOf('ROOTCA'), 'present')
})

test('explain lets go of the process, also where it cannot be looked at', async () => {
  const setting = parts()
  await explain(setting, { pid: 7, name: '' })
  Object.assign(setting.attestor, { failure: new Error('gone') })
  await assert.rejects(explain(setting, { pid: 7, name: '' }))
  assert.equal(setting.released, 2)
})
