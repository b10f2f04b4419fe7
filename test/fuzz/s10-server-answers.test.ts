/** S10: answers of an agent's server that were changed on the way: what is signed is taken whole or not at all, of a round what can be read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { SyncResponseSchema } from '#spindle/sync/v1/sync_pb.js'
import type { SyncResponse } from '#spindle/sync/v1/sync_pb.js'
import { checkOwnSvid } from '../../src/agent/obtain/server/own/svid.ts'
import { checkX509 } from '../../src/agent/obtain/server/sign/x509.ts'
import { NOTHING, apply, servedOf, wholeRound } from '../../src/agent/obtain/server/sync/round.ts'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../../src/spiffe/spiffe-id.ts'
import { entryMessage, readEntry } from '../../src/wire/spire/entry.ts'
import { atScale } from '../faults/scale.ts'
import { makeCa, makeLeaf, NOW } from '../unit/certs/make-certificate.ts'
import { mutateDer } from './der.ts'
import { createDraw, drawSeed, mutate } from './draw.ts'
import { createInputs } from './outcome.ts'

const ANSWERS = atScale(2_000, 40_000)
const ROUNDS = atScale(5_000, 100_000)
const trustDomain = parseTrustDomain('example.org')
const spiffeId = parseSpiffeId('spiffe://example.org/web')
const key = await generateKey('ec-p256')
const root = await makeCa()
const signing = await makeCa({ by: root })
const leaf = await makeLeaf({ by: signing, key })
const agent = await makeLeaf({
  by: signing,
  key,
  uris: ['spiffe://example.org/spire/agent/join_token/t'],
})
const strangers = [
  await makeLeaf({ by: signing }),
  await makeLeaf({ by: signing, key, uris: ['spiffe://example.org/other'] }),
  await makeLeaf({ by: await makeCa(), key }),
  await makeLeaf({ by: await makeCa({ by: root, pathLen: 0 }), key }),
  root,
] as const
const csr = await writeCsr(key)

test(`S10: of ${ANSWERS} changed answers, what is taken is the certificate that was signed`, (t) => {
  const draw = createDraw(drawSeed(t))
  const inputs = createInputs()
  const changed = (der: Buffer): Buffer => {
    if (draw.chance(0.6)) return der
    const other = draw.pick(strangers).der
    if (draw.chance(0.3)) return other
    return draw.chance(0.6) ? mutateDer(draw, der, other) : mutate(draw, der, other)
  }
  const wanted = { csr, spiffeId, trustDomain, authorities: [root.der], now: NOW }
  for (let count = 0; count < ANSWERS; count++) {
    const isAgent = draw.chance(0.5)
    const first = isAgent ? agent : leaf
    const chain = [changed(first.der), changed(signing.der)]
    if (draw.chance(0.1)) chain.push(root.der)
    const shown = Buffer.concat(chain)
    const taken = isAgent
      ? inputs.try(shown, () =>
          checkOwnSvid({ chain, pkcs8: key.pkcs8, reattestable: false }, wanted),
        )
      : inputs.try(shown, () => checkX509(chain, wanted))
    if (taken === undefined) continue
    // What ends the chain may be another that leads to the root; its first is the one that was signed.
    const isSigned = [first, strangers[3]].some(({ der }) => der.equals(taken.chain[0]!))
    assert.ok(isSigned, shown.toString('base64'))
    assert.ok(
      taken.chain.every((der) => !der.equals(root.der)),
      'an anchor is not sent',
    )
  }
  inputs.report(t, { accepted: ANSWERS / 20, refused: ANSWERS / 4 })
})

const ENTRY = {
  id: 'a',
  spiffeId: { trustDomain, path: '/web' },
  parentId: { trustDomain, path: '/node' },
  selectors: [{ type: 'unix', value: 'uid:1' }],
  federatesWith: ['partner.test'],
  dnsNames: ['web.example.org'],
  x509SvidTtl: 600,
  expiresAt: 2_000_000_000n,
}
const ROUND = create(SyncResponseSchema, {
  full: true,
  entries: [ENTRY, { ...ENTRY, id: 'b', hint: 'x' }],
  bundles: [
    {
      trustDomain,
      x509Authorities: [{ asn1: root.der, tainted: true }],
      jwtAuthorities: [{ keyId: 'k', publicKey: key.spki }],
      sequenceNumber: 3n,
    },
  ],
  complete: true,
  entryCount: 2,
  bundleCount: 1,
})

test(`S10: of ${ROUNDS} changed rounds an agent serves what can be read, and no more`, (t) => {
  const draw = createDraw(drawSeed(t))
  const inputs = createInputs()
  const whole = Buffer.from(toBinary(SyncResponseSchema, ROUND))
  let served = 0
  for (let count = 0; count < ROUNDS; count++) {
    const bytes = mutate(draw, whole)
    const round = decoded(bytes)
    // gRPC ends the call for what is no message.
    if (round === undefined) continue
    const applied = inputs.try(bytes, () => apply(NOTHING, wholeRound([round]), trustDomain))
    const what = applied && servedOf(applied.held, trustDomain, undefined)
    for (const entry of what?.entries ?? []) {
      served += 1
      assert.equal(trustDomainOf(entry.spiffeId), trustDomain)
      assert.deepEqual(readEntry(entryMessage(entry)), entry)
    }
  }
  assert.ok(served > ROUNDS / 20, String(served))
  inputs.report(t, { accepted: ROUNDS / 20, refused: 0 })
})

function decoded(bytes: Buffer): SyncResponse | undefined {
  try {
    return fromBinary(SyncResponseSchema, bytes)
  } catch {
    return undefined
  }
}
