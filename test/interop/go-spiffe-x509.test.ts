/** X.509 for go-spiffe: X509Source, BundleSource and the watchers, as programs use them. */
// WT-1, WT-7, WT-9, WT-15 of docs/conformance.md.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { createPartner } from '../e2e/rig/partner.ts'
import { createRig, eventually, write } from '../e2e/rig/rig.ts'
import type { Update } from './go-spiffe.ts'
import { goPrograms, rotateJwtKey, startProgram } from './program.ts'

const ROTATIONS = 5
const WEB = 'spiffe://example.org/web'

const from =
  (name: Update['from'], wanted: (update: Update) => boolean = () => true) =>
  (update: Update): boolean =>
    update.from === name && update.error === '' && wanted(update)

const serialOf = ({ svids }: Update): string => svids?.[0]?.serial ?? ''

test(`go-spiffe: an X509Source has its SVID, and ${ROTATIONS} rotations arrive once each and verify`, async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'follower')
  if (programs === undefined) return
  const agent = await rig.agent({
    entries: [{ spiffeId: WEB, selectors: [`unix:path:${programs.follower}`] }],
  })
  const follower = startProgram<Update, Update>(rig, agent, {
    path: programs.follower,
    args: ['follow'],
  })
  let serial = serialOf(await follower.next('the first SVID', from('X509Source')))
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })
    const changed = (update: Update): boolean => serialOf(update) !== serial
    const begun = follower.told.findLastIndex(from('X509Source'))
    const next = await follower.next('the next SVID', from('X509Source', changed), begun)
    serial = serialOf(next)
    await follower.next(
      'the same at the watcher',
      from('WatchX509Context', (update) => serialOf(update) === serial),
    )
  }
  // What comes once has come: whatever else is sent for these rotations is sent before this.
  const { activeAuthorityId } = await agent.admin.call(
    AdminService.method.rotateAuthority,
    {},
    { deadlineMs: 60_000 },
  )
  const bySecond = ({ svids }: Update): boolean => svids?.[0]?.authority === activeAuthorityId
  await follower.next('an SVID of the next CA', from('X509Source', bySecond))
  await follower.next('the same at the watcher', from('WatchX509Context', bySecond))

  const given = follower.told.filter(({ svids }) => svids !== null).flatMap(({ svids }) => svids!)
  assert.deepEqual(
    given.filter(({ id, fault }) => id !== WEB || fault !== ''),
    [],
  )
  const contexts = follower.told.filter(from('WatchX509Context'))
  const before = contexts.filter(({ x509 }) => x509?.['example.org']?.length === 1)
  assert.equal(before.length, 1 + ROTATIONS, 'one message a rotation')
  assert.equal(new Set(before.map(serialOf)).size, 1 + ROTATIONS)
  const [published, resigned, ...more] = contexts.slice(before.length)
  assert.equal(published && serialOf(published), serial, 'the next CA is there before it signs')
  assert.equal(resigned && bySecond(resigned), true)
  assert.deepEqual(more, [])
  const sets = follower.told.filter(from('WatchX509Bundles')).map(({ x509 }) => x509)
  assert.deepEqual(
    sets.map((each) => each?.['example.org']?.length),
    [1, 2],
    'bundles are told of when they change, and only then',
  )
  const { prepared } = await rotateJwtKey(agent, false)
  const known = ({ jwt }: Update): boolean => jwt?.['example.org']?.includes(prepared) === true
  await follower.next('the next key for JWT-SVIDs', from('WatchJWTBundles', known))
  assert.equal(follower.told.filter(from('WatchJWTBundles')).length, 2)
  assert.equal(follower.told.filter(from('WatchX509Context')).length, contexts.length)
  assert.deepEqual(
    follower.told.filter(({ error }) => error !== ''),
    [],
  )
})

test('go-spiffe: an X509Source outlives its agent, which is killed and started again', async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'follower')
  if (programs === undefined) return
  const agent = await rig.agent({
    entries: [{ spiffeId: WEB, selectors: [`unix:path:${programs.follower}`] }],
  })
  const follower = startProgram<Update, Update>(rig, agent, {
    path: programs.follower,
    args: ['follow'],
  })
  const serial = serialOf(await follower.next('the first SVID', from('X509Source')))
  agent.child.signal('SIGKILL')
  await agent.child.ended
  const again = await agent.restart()
  rig.atEnd(() => again.stop())
  const changed = (update: Update): boolean => serialOf(update) !== serial
  const next = await follower.next('an SVID of the next agent', from('X509Source', changed))
  assert.deepEqual(
    next.svids?.map(({ id, fault }) => [id, fault]),
    [[WEB, '']],
  )
})

test('go-spiffe: the default identity first, hints, bundles of other trust domains, and their end', async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'follower')
  if (programs === undefined) return
  const partner = await createPartner('partner.test')
  const bundleFile = join(rig.folder, 'partner.pem')
  write(bundleFile, partner.pem)
  const selectors = (): string[] => [`unix:path:${programs.follower}`]
  const api = { spiffeId: 'spiffe://example.org/api', selectors: selectors(), hint: 'internal' }
  const web = { spiffeId: WEB, selectors: selectors(), default: true, hint: 'external' }
  const federated = { ...web, federatesWith: ['partner.test'] }
  const agent = await rig.agent({
    entries: [api, federated],
    config: { bundles: { 'partner.test': { file: bundleFile } } },
  })
  const follower = startProgram<Update, Update>(rig, agent, {
    path: programs.follower,
    args: ['follow'],
  })
  const first = await follower.next('both identities', from('WatchX509Context'))
  assert.deepEqual(
    first.svids?.map(({ id, hint, fault }) => [id, hint, fault]),
    [
      [WEB, 'external', ''],
      [api.spiffeId, 'internal', ''],
    ],
  )
  assert.deepEqual(Object.keys(first.x509 ?? {}).toSorted(), ['example.org', 'partner.test'])
  const sets = await follower.next('the set of bundles', from('WatchX509Bundles'))
  assert.deepEqual(sets.x509, first.x509)
  const ask = (): Promise<Update> => follower.ask({ do: 'bundles', id: 'partner.test' })
  await eventually('BundleSource has it too', async () => {
    const { x509 } = await ask()
    return x509?.['partner.test']?.length === 1
  })

  let told = follower.told.length
  agent.setEntries([api, web])
  const alone = (update: Update): boolean => update.x509?.['partner.test'] === undefined
  await follower.next('without the partner', from('WatchX509Context', alone), told)
  await follower.next('without the partner', from('WatchX509Bundles', alone), told)
  await eventually('BundleSource has dropped it', async () => {
    const { x509, jwt } = await ask()
    return x509?.['partner.test'] === undefined && jwt?.['partner.test'] === undefined
  })

  told = follower.told.length
  agent.setEntries([])
  const denied = ({ from: name, code }: Update): boolean =>
    name === 'WatchX509Context' && code === 'PermissionDenied'
  await follower.next('the end of a caller without entries', denied, told)

  told = follower.told.length
  agent.setEntries([api])
  const again = await follower.next('its return', from('WatchX509Context'), told)
  assert.deepEqual(
    again.svids?.map(({ id, hint, fault }) => [id, hint, fault]),
    [[api.spiffeId, 'internal', '']],
  )
})
