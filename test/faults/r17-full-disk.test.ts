/** R17: the disk of the state folder is full while a CA is made. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from '../e2e/rig/agent.ts'
import { testSelectors } from '../e2e/rig/pair.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { crowdFaults, startCrowd } from './crowd.ts'
import { fillDisk } from './fill-disk.ts'

const FAULT = 'spindle_agent_authority_fault'

function mayMount(t: TestContext): boolean {
  const script = 'mount -t tmpfs -o size=1m tmpfs /mnt'
  if (spawnSync('unshare', ['--mount', 'sh', '-c', script]).status === 0) return true
  assert.notEqual(process.env['CI'], 'true', 'CI may mount')
  t.skip('needs root and mount namespaces, to have a small disk')
  return false
}

/** Runs what follows with a tmpfs of one megabyte at `folder`, which nobody else sees. */
const onSmallDisk = (folder: string): string[] => [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mkdir -p -m 700 "$0" && mount -t tmpfs -o size=1m,mode=700 tmpfs "$0" && exec "$@"',
  folder,
]

const authority = (agent: Agent) =>
  agent.admin.call(AdminService.method.getAuthority, {}, { deadlineMs: 20_000 })
const rotate = (agent: Agent) =>
  agent.admin.call(AdminService.method.rotateAuthority, {}, { deadlineMs: 60_000 })

test('R17: while the disk is full the old state stays and is served, the fault is seen, and it heals with space', async (t) => {
  if (!mayMount(t)) return
  const rig = createRig(t)
  const stateDir = join(rig.folder, 'small-disk')
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    through: onSmallDisk(stateDir),
    config: { stateDir },
  })
  const crowd = startCrowd(agent.socket, 1)
  rig.atEnd(() => crowd.close())
  const [member] = crowd.members
  const certificates = (count: number) =>
    eventually(`certificate ${count}`, () => member?.certificates === count)
  await certificates(1)
  const inside = join(`/proc/${agent.child.pid}/root`, stateDir)
  const kept = (): string => readFileSync(join(inside, 'authority-embedded.json'), 'utf8')
  const before = kept()
  const active = async (): Promise<string | undefined> =>
    (await authority(agent)).slots.find(({ status }) => status === 'active')?.authorityId
  const signing = await active()

  fillDisk(join(inside, 'filler'))
  await assert.rejects(rotate(agent), /may not sign: .*ENOSPC/)
  assert.equal(await active(), signing, 'what could not be stored does not sign')
  assert.equal(kept(), before, 'the old state is as it was')
  const files = ['.lock', 'authority-embedded.json', 'authority-jwt.json', 'filler']
  assert.deepEqual(readdirSync(inside).sort(), files)
  assert.equal(await agent.metric(FAULT), 1)
  assert.match((await authority(agent)).fault, /cannot be stored: ENOSPC/)
  assert.match(agent.child.output(), /unsaved.*ENOSPC/)
  await agent.admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: 10_000 })
  await certificates(2)
  assert.deepEqual(crowdFaults(crowd), [])

  rmSync(join(inside, 'filler'))
  const healed = async (): Promise<boolean> => (await agent.metric(FAULT)) === 0
  await eventually('it heals by itself', healed, 50_000)
  assert.notEqual(kept(), before, 'what was prepared is stored')
  await rotate(agent)
  assert.notEqual(await active(), signing)
  await certificates(3)
  assert.deepEqual(crowdFaults(crowd), [])
  assert.equal(member?.drops, 0)
})
