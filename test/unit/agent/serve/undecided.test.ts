import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSecrets } from '../../../../src/agent/serve/secrets.ts'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import type { View } from '../../../../src/xds/resource.ts'
import { WHY_UNDECIDED } from '../../../fakes/caller.ts'
import { settle } from '../../../fakes/clock.ts'
import { entry } from '../obtain/setting.ts'
import { setUp } from './setting.ts'

const WEB = entry('web')
const HASHED = entry('hashed')
const stateOf = (view: View, name: string): string => view.resolve(name).state

test('a name that an undecided entry may change is given to nobody meanwhile; the others go on', async () => {
  const { caller, identities, sds, open } = setUp()
  for (const each of [WEB, HASHED]) identities.set(each, each.id)
  caller.matches(HASHED, WEB)
  const [named, byId] = [open(), open()]
  named.say({ resourceNamesSubscribe: ['default'] })
  byId.say({ resourceNamesSubscribe: [WEB.spiffeId] })
  await settle()
  for (const call of [named, byId]) call.ack()

  caller.mayMatch([WEB], [HASHED, WEB])
  const view = sds.sidecarOf(caller).view('trusted-ca')
  assert.deepEqual(view.resolve('default'), { state: 'pending', why: WHY_UNDECIDED })
  for (const name of [HASHED.spiffeId, 'nothing']) assert.equal(stateOf(view, name), 'pending')
  assert.equal(stateOf(view, 'ROOTCA'), 'present')
  identities.set(WEB, 'rotated')
  await settle()
  assert.deepEqual(named.said, ['chain hashed'], 'default neither flips nor is removed')
  assert.deepEqual(byId.said, ['chain web', 'chain rotated'])

  caller.matches(WEB)
  await settle()
  assert.deepEqual(named.said, ['chain hashed', 'chain rotated'], 'now it is known')
})

test('a younger undecided entry keeps no name from an older one', () => {
  const { caller, identities, sds } = setUp()
  identities.set(WEB, 'web')
  caller.mayMatch([WEB], [WEB, HASHED])
  assert.equal(stateOf(sds.sidecarOf(caller).view('spiffe'), 'default'), 'present')
})

test('what Envoy would not take waits under its own name, and the others are served', () => {
  const secrets = createSecrets()
  const { caller, identities, sds } = setUp({
    secrets: {
      ...secrets,
      svid(name, identity) {
        if (name === 'default') throw new SpindleError('internal', 'secret "default": is empty')
        return secrets.svid(name, identity)
      },
    },
  })
  caller.matches(WEB)
  identities.set(WEB, 'one')
  const view = sds.sidecarOf(caller).view('spiffe')
  assert.deepEqual(view.resolve('default'), { state: 'pending', why: 'secret "default": is empty' })
  assert.equal(stateOf(view, WEB.spiffeId), 'present')
})
