import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCertificatesPem } from '../../src/certs/parse.ts'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload/workload_pb.js'
import { testSelectors } from './rig/pair.ts'
import { createRig } from './rig/rig.ts'
import type { Received } from './rig/sds-client.ts'
import { createSdsClient } from './rig/sds-client.ts'
import { createWorkloadTestClient } from './rig/workload-client.ts'

const ROTATIONS = 5

/** PEM of an SDS secret as DER, one certificate after another, as the Workload API has it. */
function chainOf(received: Received | undefined): Buffer {
  const type = received?.secrets[0]?.type
  assert(type?.case === 'tlsCertificate')
  const source = type.value.certificateChain?.specifier
  assert(source?.case === 'inlineBytes')
  return Buffer.concat(readCertificatesPem(Buffer.from(source.value).toString(), 'SDS'))
}

test(`one caller has the same certificates over SDS and over the Workload API, through ${ROTATIONS} rotations of either kind`, async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
  })
  const sds = createSdsClient(agent.socket)
  rig.atEnd(() => sds.close())
  const workload = createWorkloadTestClient(agent.socket)
  rig.atEnd(() => workload.close())
  const secrets = sds.delta()
  secrets.subscribe('default')
  const svids = workload.stream(SpiffeWorkloadAPI.method.fetchX509SVID)
  const leaves = (): Buffer[] => {
    const all = svids.received.map(({ svids: [svid] }) => Buffer.from(svid?.x509Svid ?? []))
    // A message that tells of a bundle alone has the certificate of the one before it.
    return all.filter((leaf, index) => index === 0 || !leaf.equals(all[index - 1]!))
  }
  const { renewIdentities, rotateAuthority } = AdminService.method
  const acknowledge = async (count: number): Promise<void> => {
    secrets.ack(await secrets.next(undefined, count))
    await svids.next(() => leaves().length > count)
  }
  await acknowledge(0)
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    await agent.admin.call(renewIdentities, {}, { deadlineMs: 10_000 })
    await acknowledge(2 * rotation + 1)
    await agent.admin.call(rotateAuthority, {}, { deadlineMs: 20_000 })
    await acknowledge(2 * rotation + 2)
  }
  const count = 1 + 2 * ROTATIONS
  assert.equal(leaves().length, count)
  assert.deepEqual(secrets.received.map(chainOf), leaves())
  const versions = new Set(secrets.received.flatMap((received) => received.versions))
  assert.equal(versions.size, count, 'a version of SDS is one certificate')
})
