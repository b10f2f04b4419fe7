import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBundles } from '../../../../src/agent/obtain/bundles.ts'
import { createIdentities } from '../../../../src/agent/obtain/identities.ts'
import { createEmbeddedAuthority } from '../../../../src/authority/embedded.ts'
import { createFileSlotStore } from '../../../../src/authority/slot-file.ts'
import { verifyX509Svid } from '../../../../src/certs/parse.ts'
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { noJwtKeys } from '../../../fakes/authority.ts'
import { createManualClock, settle } from '../../../fakes/clock.ts'
import { createSeededRandom } from '../../../fakes/random.ts'
import { createStateFile } from '../../../fakes/state-file.ts'
import { entry, HOUR, MINUTE } from './setting.ts'

test('createIdentities over an embedded authority: through ten CA rotations what is served verifies under what is published', async (t) => {
  const clock = createManualClock()
  const random = createSeededRandom('embedded')
  const trustDomain = parseTrustDomain('example.org')
  const authority = await createEmbeddedAuthority({
    trustDomain,
    keyType: 'ec-p256',
    caTtlMs: 2 * HOUR,
    clock,
    random,
    store: createFileSlotStore(createStateFile(), { kind: 'embedded', trustDomain }),
  })
  const bundles = createBundles(trustDomain, authority.state, noJwtKeys())
  const identities = createIdentities({
    authority,
    clock,
    random,
    keyType: 'ec-p256',
    ttlMs: 20 * MINUTE,
  })
  t.after(async () => {
    identities.close()
    bundles.close()
    await authority.close()
  })
  const arrived = new Promise<void>((resolve) => identities.onChange(() => resolve()))
  const lease = identities.acquire(entry('web'))
  await arrived

  /** Keys are made in real time, which the clock does not wait for: what is due is done before it goes on. */
  const settled = async (): Promise<void> => {
    // It waits for what the authority is at.
    await authority.reload()
    const late = performance.now() + 20_000
    const isDue = (): boolean => clock.now() >= (lease.current?.renewAt ?? -Infinity)
    while (isDue() && performance.now() < late) await settle()
  }
  const signers = new Set<string>()
  for (let step = 0; step < 10 * 12; step++) {
    await clock.advance(5 * MINUTE)
    await settled()
    const { current } = lease
    assert.ok(current !== undefined, `something is served after ${step} steps: ${lease.fault}`)
    signers.add(current.svid.authorityId)
    const anchors = new Map(
      [...bundles.feed.current].map(([name, { x509Authorities }]) => [name, x509Authorities]),
    )
    const options = { now: clock.now(), mode: 'strict' } as const
    assert.equal(verifyX509Svid(current.svid.chain, anchors, options), current.entry.spiffeId)
    assert.ok(authority.state.current.slots.length <= 6)
  }
  assert.ok(signers.size >= 9, `${signers.size} authorities signed`)
})
