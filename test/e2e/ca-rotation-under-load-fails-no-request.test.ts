// R20 of docs/faults.md, XL-14 of docs/conformance.md.
import assert from 'node:assert/strict'
import type { KeyObject } from 'node:crypto'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { parseCertificate, readCertificatesPem } from '../../src/certs/parse.ts'
import type { GetAuthorityResponse } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import type { Agent } from './rig/agent.ts'
import { startLoad } from './rig/load.ts'
import {
  acknowledged,
  changedSerial,
  envoySelectors,
  heldSecrets,
  startPair,
  testSelectors,
  VARIANTS,
} from './rig/pair.ts'
import { fetchIdentity, getAsPeer } from './rig/peer.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const ROTATIONS = 20

const authorityOf = (agent: Agent): Promise<GetAuthorityResponse> =>
  agent.admin.call(AdminService.method.getAuthority, {}, { deadlineMs: 20_000 })

const countAnchors = (pem: string): number => pem.split('-----BEGIN CERTIFICATE-----').length - 1

for (const [variant, template] of VARIANTS)
  test(`${ROTATIONS} rotations of the CA under load fail no request (${variant})`, async (t) => {
    const rig = createRig(t)
    const agent = await rig.agent({
      entries: [{ spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) }],
    })
    const { server, client, outbound } = await startPair(rig, agent, {
      template,
      connectAnew: 'whole',
    })
    let bundle = await acknowledged(agent, { name: 'ROOTCA', count: 2 })
    let serial: string | undefined
    const authorities = new Set((await authorityOf(agent)).slots.map((slot) => slot.authorityId))
    assert.equal(authorities.size, 1)
    const load = startLoad(outbound, { loops: 3 })
    rig.atEnd(() => load.stop())

    for (let rotation = 0; rotation < ROTATIONS; rotation++) {
      await load.more(5)
      const rotated = await agent.admin.call(
        AdminService.method.rotateAuthority,
        {},
        { deadlineMs: 60_000 },
      )
      const { activeAuthorityId, acknowledged: taken, holding, renewed } = rotated
      assert.deepEqual({ taken, holding, renewed }, { taken: 2, holding: 2, renewed: 1 })
      authorities.add(activeAuthorityId)
      bundle = await acknowledged(agent, { name: 'ROOTCA', count: 2, before: bundle })
      const before = serial
      serial = await changedSerial(server, before)
      assert.equal(await changedSerial(client, before), serial, 'both use the same identity')
    }
    await load.more(5)
    await load.stop()

    assert.deepEqual(load.failures, [])
    assert.equal(authorities.size, ROTATIONS + 1)
    const { anchorsPem, slots } = await authorityOf(agent)
    assert.equal(countAnchors(anchorsPem), ROTATIONS + 1, 'nothing trusted was taken away')
    assert.deepEqual(
      slots.filter(({ status }) => status === 'active').map(({ authorityId }) => authorityId),
      [[...authorities].at(-1)],
    )
    for (const envoy of [server, client])
      for (const name of ['default', 'ROOTCA'])
        assert.equal(await envoy.stat(`sds.${name}.update_rejected`), 0)
    t.diagnostic(`${load.answered} requests`)
  })

/** Of a CA in the test below: what the CA before has signed outlives a machine that stands still for some seconds. */
const LIFE_MS = 60_000

test('a CA that nears its end is replaced under load: published and acknowledged before it signs', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [
      { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) },
      { spiffeId: 'spiffe://example.org/test', selectors: testSelectors() },
    ],
    config: { authority: { kind: 'embedded', caTtl: '60s' }, svid: { ttl: '30s' } },
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const { inbound, outbound } = await startPair(rig, agent, {
    template: 'sidecar-delta',
    connectAnew: 'whole',
  })
  const load = startLoad(outbound, { loops: 1, pauseMs: 5 })
  rig.atEnd(() => load.stop())
  const known = (await authorityOf(agent)).slots.map(({ authorityId }) => authorityId)
  const before = (await heldSecrets(agent)).find(({ name }) => name === 'ROOTCA')?.version

  const [next, active] = await eventually(
    'a next CA prepared',
    async () => {
      const { slots } = await authorityOf(agent)
      const prepared = slots.find(
        ({ authorityId, status }) => status === 'prepared' && !known.includes(authorityId),
      )
      const signing = slots.find(({ status }) => status === 'active')
      return prepared && signing && [prepared.authorityId, signing.authorityId]
    },
    LIFE_MS,
  )
  const statuses = async (): Promise<(string | undefined)[]> => {
    const { slots } = await authorityOf(agent)
    return [next, active].map((id) => slots.find((slot) => slot.authorityId === id)?.status)
  }
  await acknowledged(agent, { name: 'ROOTCA', count: 2, before })
  assert.deepEqual(await statuses(), ['prepared', 'active'], 'acknowledged before it signs')

  await eventually('the next CA signs', async () => (await statuses())[0] === 'active', LIFE_MS)
  assert.equal((await statuses())[1], 'old')
  await eventually(
    'Envoy serves a certificate of the next CA',
    async () => {
      const { certificate } = await getAsPeer(inbound, await fetchIdentity(client))
      return new X509Certificate(certificate.raw).verify(await keyOf(agent, next))
    },
    LIFE_MS,
  )
  await load.more(10)
  await load.stop()
  assert.deepEqual(load.failures, [])
  t.diagnostic(`${load.answered} requests`)
})

/** The public key of one of the authorities in the bundle. */
async function keyOf(agent: Agent, authorityId: string | undefined): Promise<KeyObject> {
  const { anchorsPem } = await authorityOf(agent)
  const anchors = readCertificatesPem(anchorsPem, 'anchors').map((der) => parseCertificate(der, ''))
  const anchor = anchors.find(({ subjectKeyId }) => subjectKeyId === authorityId)
  assert(anchor !== undefined)
  return anchor.x509.publicKey
}
