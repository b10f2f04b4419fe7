/** S10: answers of a server above that were changed on the way are refused, unless what was signed came through whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkedPath, usableRoots } from '../../src/authority/server/answer.ts'
import { verifyX509Svid } from '../../src/certs/parse.ts'
import { createIssuer, issueLeaf } from '../../src/certs/issuer.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { atScale } from '../faults/scale.ts'
import { makeCa, NOW } from '../unit/certs/make-certificate.ts'
import { mutateDer } from './der.ts'
import { createDraw, drawSeed, mutate } from './draw.ts'
import { createInputs } from './outcome.ts'

const ANSWERS = atScale(2_000, 40_000)
const trustDomain = parseTrustDomain('example.org')
const spiffeId = parseSpiffeId('spiffe://example.org/web')
const key = await generateKey('ec-p256')
const root = await makeCa()
const signing = await makeCa({ by: root })
const own = await makeCa({ by: signing, key, uris: ['spiffe://example.org'] })
const unrelated = await makeCa()
const life = { notBefore: NOW - 1_000, notAfter: NOW + 60_000, serial: Buffer.from([1]) }

test(`S10: of ${ANSWERS} changed answers of a server above, what is taken signs what its roots verify`, async (t) => {
  const draw = createDraw(drawSeed(t))
  const inputs = createInputs()
  const wanted = { spki: key.spki, trustDomain, now: NOW, leastLifeMs: 60_000 }
  const changed = (der: Buffer): Buffer => {
    if (draw.chance(0.5)) return der
    const other = draw.pick([root, signing, own, unrelated]).der
    if (draw.chance(0.2)) return other
    return draw.chance(0.6) ? mutateDer(draw, der, other) : mutate(draw, der, other)
  }
  for (let count = 0; count < ANSWERS; count++) {
    const chain = [own.der, signing.der].map(changed)
    if (draw.chance(0.1)) chain.reverse()
    if (draw.chance(0.1)) chain.push(root.der)
    const roots = draw.chance(0.8) ? [root.der] : [changed(root.der), unrelated.der]
    const shown = Buffer.concat([...chain, ...roots])
    const path = inputs.try(shown, () => checkedPath({ chain, roots: usableRoots(roots) }, wanted))
    if (path === undefined) continue
    assert.ok(roots.some((der) => der.equals(path.anchor)))
    // By code that knows nothing of the check.
    const [certificate] = path.sent
    assert(certificate !== undefined)
    const issuer = createIssuer(certificate, key, 'own')
    const leaf = await issueLeaf(issuer, { ...life, spiffeId, dnsNames: [], spki: key.spki })
    const bundles = new Map([[trustDomain, [path.anchor]]])
    const verified = (): string =>
      verifyX509Svid([leaf, ...path.sent], bundles, { now: NOW, mode: 'strict' })
    assert.equal(verified(), spiffeId, shown.toString('base64'))
  }
  inputs.report(t, { accepted: ANSWERS / 20, refused: ANSWERS / 4 })
})
