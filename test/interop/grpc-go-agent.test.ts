/** spindle workload and what it stands on, with an agent of grpc-go, which SPIRE's is one of. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createWorkloadClient } from '../../src/workload/client.ts'
import type { WatchFault } from '../../src/workload/watch.ts'
import { cli, spindle } from '../e2e/rig/command.ts'
import type { Rig } from '../e2e/rig/rig.ts'
import { createRig, eventually } from '../e2e/rig/rig.ts'
import { goPrograms, startProgram } from './program.ts'

const WEB = 'spiffe://example.org/web'

/** It answers with the serial of its SVID. */
async function startAgent(rig: Rig, path: string) {
  const socket = join(rig.folder, 'agent.sock')
  const agent = startProgram<{ listening: string }, string>(
    rig,
    { socket },
    { path, args: ['agent', socket] },
  )
  await agent.next('the agent', ({ listening }) => listening === socket)
  return { socket, ...agent }
}

test('a watch at an agent of grpc-go follows rotations, a denial, and what comes after it', async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'other')
  if (programs === undefined) return
  const agent = await startAgent(rig, programs.other)
  const client = createWorkloadClient({ kind: 'unix', path: agent.socket })
  rig.atEnd(() => client.close())
  const serials: string[] = []
  const faults: WatchFault[] = []
  const end = new AbortController()
  const watching = client.watchX509({
    signal: end.signal,
    onUpdate({ svids, federatedBundles }) {
      assert.equal(svids[0].spiffeId, WEB)
      assert.deepEqual([...federatedBundles.keys()], ['partner.test'])
      serials.push(
        new X509Certificate(svids[0].chain[0]!).serialNumber.toLowerCase().replace(/^0+/, ''),
      )
    },
    onFault: (fault) => void faults.push(fault),
  })
  await eventually('the first SVID', () => serials.length === 1)
  for (let rotation = 0; rotation < 3; rotation++) {
    const serial = await agent.ask({ do: 'rotate' })
    await eventually('the next SVID', () => serials.at(-1) === serial)
  }
  assert.equal(serials.length, 4)
  assert.equal(faults.length, 0)

  await agent.ask({ do: 'deny' })
  await eventually('a denial', () => faults.length > 0)
  assert.equal(faults[0]?.isDenied, true)
  assert.match(faults[0].error.message, /no identity issued/)
  const serial = await agent.ask({ do: 'admit' })
  await eventually('the SVID again', () => serials.length === 5)
  assert.equal(serials.at(-1), serial)
  end.abort()
  await watching
})

test('the commands of spindle workload read what an agent of grpc-go says', async (t) => {
  const rig = createRig(t)
  const programs = await goPrograms(t, rig, 'other')
  if (programs === undefined) return
  const agent = await startAgent(rig, programs.other)
  const at = ['--socket', `unix://${agent.socket}`]
  const folder = join(rig.folder, 'written')
  const x509 = await cli('workload', 'x509', '--write', folder, ...at)
  assert.equal(x509.code, 0, x509.err)
  const leaf = new X509Certificate(readFileSync(join(folder, 'svid.0.pem')))
  assert(leaf.verify(new X509Certificate(readFileSync(join(folder, 'bundle.0.pem'))).publicKey))
  readFileSync(join(folder, 'federated_bundle.0.0.pem'))

  const bundles = await cli('workload', 'bundles', ...at)
  assert.equal(bundles.code, 0, bundles.err)
  assert.match(bundles.out, /^example\.org +jwt +the-key /m)

  const token = await cli('workload', 'jwt', '--audience', 'api', '--raw', ...at)
  assert.equal(token.code, 0, token.err)
  const validate = (input: string) =>
    spindle(['workload', 'validate', '--audience', 'api', ...at], { input })
  const valid = await validate(token.out)
  assert.equal(valid.code, 0, valid.err)
  assert.match(valid.out, /^spiffe id +spiffe:\/\/example\.org\/web$/m)
  const forged = await validate(token.out.trim().slice(0, -8) + 'AAAAAAAA')
  assert.equal(forged.code, 1)

  await agent.ask({ do: 'deny' })
  const denied = await cli('workload', 'x509', ...at)
  assert.equal(denied.code, 4)
  assert.match(denied.err, /no identity issued/)
})
