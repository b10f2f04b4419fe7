/** Mutual TLS between two programs of go-spiffe, each with its own identity, while everything rotates. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { createRig } from '../e2e/rig/rig.ts'
import type { Seen } from './go-spiffe.ts'
import { goPrograms, startProgram } from './program.ts'

const ROTATIONS = 5
const SERVER = 'spiffe://example.org/server'
const CLIENT = 'spiffe://example.org/client'
const STRANGER = 'spiffe://example.org/stranger'

test(`go-spiffe: mutual TLS through ${ROTATIONS} rotations of either kind fails no request, and takes no other ID`, async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'server', 'client', 'stranger')
  if (programs === undefined) return
  const entries = Object.entries(programs).map(([name, path]) => ({
    spiffeId: `spiffe://example.org/${name}`,
    selectors: [`unix:path:${path}`],
  }))
  const agent = await rig.agent({ entries })
  const server = startProgram<{ readonly address: string }, unknown>(rig, agent, {
    path: programs.server,
    args: ['serve', CLIENT],
  })
  const { address } = await server.next('the address of the server', () => true)
  const start = (path: string): ReturnType<typeof startProgram<unknown, Seen>> =>
    startProgram<unknown, Seen>(rig, agent, { path, args: ['call', address, SERVER] })
  const client = start(programs.client)
  const method = AdminService.method
  const options = { deadlineMs: 60_000 }
  await client.ask({ do: 'more', count: 20 })
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    await agent.admin.call(method.renewIdentities, {}, options)
    await client.ask({ do: 'more', count: 20 })
    await agent.admin.call(method.rotateAuthority, {}, options)
    await client.ask({ do: 'more', count: 20 })
  }
  const seen = await client.ask({ do: 'more', count: 20 })
  assert.deepEqual(seen.failures, [])
  t.diagnostic(`${seen.requests} requests`)
  // Of the first, of each renewal, and of each CA.
  assert.equal(seen.servers?.length, 1 + 2 * ROTATIONS)
  assert.equal(seen.clients?.length, 1 + 2 * ROTATIONS)

  const asked = await client.ask({ do: 'once', id: STRANGER })
  assert.match(asked.error, /unexpected ID "spiffe:\/\/example\.org\/server"/)
  assert.equal((await client.ask({ do: 'once', id: SERVER })).error, '')
  const stranger = await start(programs.stranger).ask({ do: 'more', count: 3 })
  assert.equal(stranger.failures.length, stranger.requests)
  assert.match(stranger.failures[0] ?? '', /remote error: tls: bad certificate/)
})
