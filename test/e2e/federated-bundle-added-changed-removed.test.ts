import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { envoySelectors, testSelectors } from './rig/pair.ts'
import { bundleDocument, createPartner } from './rig/partner.ts'
import type { PeerIdentity } from './rig/peer.ts'
import { fetchIdentity, getAsPeer } from './rig/peer.ts'
import { activeListener, createRig, eventually, write } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

const PARTNER = 'partner.test'

test('peers of another trust domain come in with its bundle, change with it, and are out without it', async (t) => {
  const rig = createRig(t)
  const [first, second] = [await createPartner(PARTNER), await createPartner(PARTNER)]
  const bundleFile = join(rig.folder, 'partner.bundle')
  write(bundleFile, first.pem)
  const alone = [
    { spiffeId: 'spiffe://example.org/web', selectors: envoySelectors(rig) },
    { spiffeId: 'spiffe://example.org/test', selectors: testSelectors() },
  ]
  const federated = alone.map((entry) => ({ ...entry, federatesWith: [PARTNER] }))
  const agent = await rig.agent({
    entries: alone,
    config: { bundles: { [PARTNER]: { file: bundleFile } } },
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const own = await fetchIdentity(client)
  const billing = { ca: own.ca, ...(await first.sign('/billing')) }
  const billingOfSecond = { ca: own.ca, ...(await second.sign('/billing')) }
  // A CA may vouch for its own trust domain only, whatever it signs.
  const forger = await createPartner('example.org')
  const forged = { ca: own.ca, ...(await forger.sign('/web')) }
  const appPort = await rig.app('OK')
  const envoy = await rig.envoy(agent, { template: 'sidecar-federated', appPort })
  const inbound = await activeListener(envoy, 'inbound')
  const comesIn = async (peer: PeerIdentity): Promise<boolean> =>
    getAsPeer(inbound, peer).then(
      ({ status }) => status === 200,
      () => false,
    )
  const who = (): Promise<boolean[]> =>
    Promise.all([own, billing, billingOfSecond, forged].map(comesIn))
  const become = (what: string, expected: readonly boolean[]): Promise<true> =>
    eventually(what, async () => {
      assert.deepEqual(await who(), expected)
      return true as const
    })

  await become('alone: its own peers', [true, false, false, false])

  agent.setEntries(federated)
  await become('added: the first CA of the partner', [true, true, false, false])

  write(bundleFile, bundleDocument(PARTNER, first.pem + second.pem))
  await become('both CAs, as a SPIFFE bundle', [true, true, true, false])

  write(bundleFile, second.pem)
  await become('changed: the first CA is cut', [true, false, true, false])

  write(bundleFile, forger.pem)
  await become('a CA for the partner does not vouch for us', [true, false, false, false])

  write(bundleFile, second.pem)
  await become('back again', [true, false, true, false])

  agent.setEntries(alone)
  await become('removed: new connections of the partner are refused', [true, false, false, false])

  assert.equal(await envoy.stat('sds.ALL.update_rejected'), 0)
})

test('a partner whose bundle has no X.509 authority is left out, and harms no one else', async (t) => {
  const rig = createRig(t)
  const [partner, other] = [await createPartner(PARTNER), await createPartner('other.test')]
  const files = { [PARTNER]: join(rig.folder, 'partner'), 'other.test': join(rig.folder, 'other') }
  write(files[PARTNER]!, bundleDocument(PARTNER, partner.pem))
  write(files['other.test']!, other.pem)
  const agent = await rig.agent({
    entries: [
      {
        spiffeId: 'spiffe://example.org/web',
        selectors: envoySelectors(rig),
        federatesWith: [PARTNER, 'other.test'],
      },
      { spiffeId: 'spiffe://example.org/test', selectors: testSelectors() },
    ],
    config: {
      bundles: Object.fromEntries(Object.entries(files).map(([name, file]) => [name, { file }])),
    },
  })
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const own = await fetchIdentity(client)
  const billing = { ca: own.ca, ...(await partner.sign('/billing')) }
  const appPort = await rig.app('OK')
  const envoy = await rig.envoy(agent, { template: 'sidecar-federated', appPort })
  const inbound = await activeListener(envoy, 'inbound')
  assert.equal((await getAsPeer(inbound, billing)).status, 200)

  write(files[PARTNER]!, bundleDocument(PARTNER, ''))
  await eventually('the partner is out', () =>
    getAsPeer(inbound, billing).then(
      () => false,
      () => true,
    ),
  )
  assert.equal((await getAsPeer(inbound, own)).status, 200)
  assert.equal(await envoy.stat('sds.ALL.update_rejected'), 0)
})
