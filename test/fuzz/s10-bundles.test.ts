/** S10: bundles that were changed on the way are refused, or read as what they say and no more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usableTrustAnchors } from '../../src/certs/parse.ts'
import { parseBundle, parseBundleMap, serializeBundle } from '../../src/spiffe/bundle.ts'
import type { Bundle } from '../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { atScale } from '../faults/scale.ts'
import { makeCa } from '../unit/certs/make-certificate.ts'
import { createDraw, drawSeed, mutate } from './draw.ts'
import { createInputs } from './outcome.ts'
import type { Value } from './values.ts'
import { mutateValue } from './values.ts'

const BUNDLES = atScale(4_500, 25_000)
const OWN = 'example.org' as TrustDomain

const x509Authorities = [(await makeCa()).der, (await makeCa({ keyType: 'rsa-2048' })).der]
const x509 = JSON.parse(
  serializeBundle({ trustDomain: OWN, x509Authorities, jwtAuthorities: [] }),
) as { keys: Value[] }
const [first] = x509.keys as Record<string, Value>[]
const { kty = '', crv = '', x = '', y = '' } = first ?? {}
const full: Value = {
  keys: [...x509.keys, { use: 'jwt-svid', kid: 'one', kty, crv, x, y }],
  spiffe_sequence: 12,
  spiffe_refresh_hint: 300,
}
const documents: readonly [Value, ...Value[]] = [
  full,
  x509,
  { keys: [] },
  { trust_domains: { 'example.org': full } },
]

test(`S10: ${BUNDLES} changed bundles`, (t) => {
  const draw = createDraw(drawSeed(t))
  const inputs = createInputs()
  const taken = (read: Bundle): void => {
    // What is no certificate is left out before a bundle is used.
    const { anchors } = usableTrustAnchors(read.x509Authorities)
    const bundle = { ...read, x509Authorities: anchors }
    const { bundle: again, ignored } = parseBundle(bundle.trustDomain, serializeBundle(bundle))
    const buffers = { x509Authorities: anchors.map((der) => Buffer.from(der)) }
    assert.deepEqual({ ...again, ...buffers }, { ...bundle, ...buffers })
    assert.equal(again.x509Authorities.length, anchors.length)
    assert.deepEqual(ignored, [], 'what is read is written, and read again as the same')
  }
  for (let count = 0; count < BUNDLES; count++) {
    const [document, other] = [draw.pick(documents), draw.pick(documents)]
    const text = draw.chance(0.6)
      ? JSON.stringify(mutateValue(draw, document, other))
      : mutate(
          draw,
          Buffer.from(JSON.stringify(document)),
          Buffer.from(JSON.stringify(other)),
        ).toString()
    const parsed = inputs.try(text, () => parseBundle(OWN, text))
    if (parsed !== undefined) taken(parsed.bundle)
    for (const { bundle } of inputs.try(text, () => parseBundleMap(text))?.values() ?? [])
      taken(bundle)
  }
  assert.equal('polluted' in {}, false)
  inputs.report(t, { accepted: BUNDLES / 10, refused: BUNDLES / 10 })
})
