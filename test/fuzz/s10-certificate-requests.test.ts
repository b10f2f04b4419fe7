/** S10: certificate requests that were changed on the way are refused, unless what was signed came through whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCsr } from '../../src/certs/csr/read.ts'
import { writeCsr } from '../../src/certs/csr/write.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { splitDer } from '../../src/spiffe/der.ts'
import { parseSpiffeId } from '../../src/spiffe/spiffe-id.ts'
import { atScale } from '../faults/scale.ts'
import { mutateDer } from './der.ts'
import { createDraw, drawSeed, mutate } from './draw.ts'
import { createInputs } from './outcome.ts'

const REQUESTS = atScale(5_000, 100_000)
const spiffeId = parseSpiffeId('spiffe://example.org/web')
const ec = await generateKey('ec-p256')
const all = [
  await writeCsr(ec),
  await writeCsr(ec, { spiffeId }),
  await writeCsr(await generateKey('ec-p384'), { spiffeId }),
  await writeCsr(await generateKey('rsa-2048'), { spiffeId }),
] as const

/** The request info, which is what is signed: the first element within the outer SEQUENCE. */
function signedOf(der: Buffer): Uint8Array {
  const head = der.readUInt8(1) < 0x80 ? 2 : 2 + (der.readUInt8(1) & 0x7f)
  const [info] = splitDer(der.subarray(head), 3) ?? []
  assert(info !== undefined)
  return info
}
const signed = all.map((der) => Buffer.from(signedOf(der)))

test(`S10: of ${REQUESTS} changed certificate requests none is taken whose signature does not fit`, (t) => {
  const draw = createDraw(drawSeed(t))
  const inputs = createInputs()
  for (const der of all) inputs.try(der, () => readCsr(der))
  for (let count = 0; count < REQUESTS; count++) {
    const [der, other] = [draw.pick(all), draw.pick(all)]
    const mutant = draw.chance(0.6) ? mutateDer(draw, der, other) : mutate(draw, der, other)
    const taken = inputs.try(mutant, () => readCsr(mutant))
    if (taken === undefined) continue
    const info = Buffer.from(signedOf(mutant))
    assert(
      signed.some((whole) => whole.equals(info)),
      mutant.toString('base64'),
    )
  }
  inputs.report(t, { accepted: all.length, refused: REQUESTS / 2 })
})
