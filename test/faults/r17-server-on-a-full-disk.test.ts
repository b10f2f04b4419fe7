/**
 * R17: the disk of a server is full. Agents keep their streams and get what needs nothing stored, what would change the registry is
 * refused plainly, no CA signs that is not stored, and it all works again with space.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { Entry } from '../../src/gen/spire/api/server/entry/v1/entry_pb.js'
import { LocalAuthority } from '../../src/gen/spire/api/server/localauthority/v1/localauthority_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { startChild } from '../../src/os/child.ts'
import { addEntry, joining, newToken } from '../e2e/rig/joining.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import type { FleetServer } from '../e2e/rig/server.ts'
import { createWorkloadTestClient } from '../e2e/rig/workload-client.ts'
import type { Update } from './fleet-in-time.ts'
import { isConnected, serialsOf } from './fleet-in-time.ts'
import { fillDisk } from './fill-disk.ts'

const CALL = { deadlineMs: 20_000 }
const { fetchX509SVID, fetchJWTSVID } = SpiffeWorkloadAPI.method
const { prepareX509Authority, getX509AuthorityState } = LocalAuthority.method

const MOUNT = 'mkdir -p -m 700 "$0" && mount -t tmpfs -o size=2m,mode=700 tmpfs "$0"'

/** A tmpfs at `folder` that only those see who run through it. @returns what is put in front of a command, and the way in */
async function smallDisk(rig: Rig, folder: string) {
  const script = `${MOUNT} && echo mounted && exec sleep 600`
  const holder = await startChild('unshare', ['--mount', 'sh', '-c', script, folder])
  rig.atEnd(() => holder.stop())
  await holder.line((line) => line === 'mounted')
  return {
    through: ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, '--'],
    inside: join(`/proc/${holder.pid}/root`, folder),
  }
}

async function pathsOf({ local }: FleetServer): Promise<string[]> {
  const { entries } = await local.call(Entry.method.listEntries, {}, CALL)
  return entries.map(({ spiffeId }) => spiffeId?.path ?? '').sort()
}

async function activeOf({ local }: FleetServer): Promise<string> {
  const { active } = await local.call(getX509AuthorityState, {}, CALL)
  assert(active !== undefined, 'nothing signs')
  return active.authorityId
}

test('R17: a server on a full disk serves and signs on, refuses changes plainly, rotates into nothing, and heals with space', async (t) => {
  if (spawnSync('unshare', ['--mount', 'sh', '-c', MOUNT, '/mnt']).status !== 0) {
    assert.notEqual(process.env['CI'], 'true', 'CI may mount')
    t.skip('needs root and mount namespaces, to have a small disk')
    return
  }
  const rig = createRig(t)
  const stateDir = join(rig.folder, 'small-disk')
  const { through, inside } = await smallDisk(rig, stateDir)
  const server = await rig.server({ through, config: { stateDir } })
  await addEntry(server, 'a', '/web')
  const { config } = await joining(rig, server, 'a')
  const agent = await rig.agent({ config })
  const client = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => client.close())
  const stream = client.stream(fetchX509SVID)
  const first = serialsOf(await stream.next())
  const signing = await activeOf(server)
  const kept = readFileSync(join(inside, 'authority-embedded.json'), 'utf8')

  fillDisk(join(inside, 'filler'))
  const paths = await pathsOf(server)
  const full = { message: /the disk is full/ }
  // What is free in pages the store has already is used up.
  await eventually('a change is refused', async () => {
    const added = await addEntry(server, 'a', `/more/${paths.length}`).catch(
      (thrown: Error) => thrown,
    )
    if (added instanceof Error) assert.match(added.message, full.message)
    else paths.push(`/more/${paths.length}`)
    return added instanceof Error
  })
  await assert.rejects(newToken(server, 'b'), full)
  assert.deepEqual(await pathsOf(server), paths.toSorted(), 'nothing of what was refused is there')
  await assert.rejects(server.local.call(prepareX509Authority, {}, CALL), /ENOSPC/)
  assert.equal(await activeOf(server), signing, 'what could not be stored does not sign')
  assert.equal(readFileSync(join(inside, 'authority-embedded.json'), 'utf8'), kept)
  assert(await isConnected(agent))
  await agent.admin.call(AdminService.method.renewIdentities, {}, CALL)
  const isNew = (update: Update): boolean =>
    Array.from(serialsOf(update)).every((each) => !first.has(each))
  await stream.next(isNew)
  await client.call(fetchJWTSVID, { audience: ['test'] })
  assert.equal(stream.ended, undefined)

  server.child.signal('SIGKILL')
  await server.child.ended
  const back = await server.restart()
  rig.atEnd(() => back.stop())
  assert.equal(await activeOf(back), signing)
  assert.deepEqual(await pathsOf(back), paths.toSorted())
  await eventually('the agent is back', () => isConnected(agent))

  rmSync(join(inside, 'filler'))
  await addEntry(back, 'a', '/with-space')
  await stream.next(({ svids }) => svids.some(({ spiffeId }) => spiffeId.endsWith('/with-space')))
  await newToken(back, 'b')
  await eventually(
    'a CA is prepared',
    async () => (await back.local.call(prepareX509Authority, {}, CALL)).preparedAuthority,
  )
})
