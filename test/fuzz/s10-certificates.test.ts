/** S10: certificates that were changed on the way, or made to harm, are refused by an error that says so, and quickly. */
import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { bitString, integer, objectIdentifier, sequence } from '../../src/certs/der.ts'
import { generateKey } from '../../src/certs/keys.ts'
import {
  parseCertificate,
  readTrustAnchorsPem,
  toPem,
  usableTrustAnchors,
  verifyX509Svid,
} from '../../src/certs/parse.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { atScale } from '../faults/scale.ts'
import type { Made } from '../unit/certs/make-certificate.ts'
import { makeCa, makeCertificate, makeLeaf, NOW } from '../unit/certs/make-certificate.ts'
import { mutateDer } from './der.ts'
import type { Draw } from './draw.ts'
import { createDraw, drawSeed, mutate } from './draw.ts'
import { createInputs } from './outcome.ts'

const CERTIFICATES = atScale(3_000, 60_000)
const PEMS = atScale(1_000, 10_000)
const OWN = 'example.org' as TrustDomain

const root = await makeCa()
const intermediate = await makeCa({ by: root, keyType: 'ec-p384' })
const leaf = await makeLeaf({ by: intermediate })
const rsaRoot = await makeCa({ keyType: 'rsa-2048' })
const rsaLeaf = await makeLeaf({ by: rsaRoot, keyType: 'rsa-2048' })
const another = await makeCertificate({
  by: rsaRoot,
  dns: ['example.org'],
  uris: ['spiffe://partner.test/x', 'https://example.org'],
})
const all = [root, intermediate, leaf, rsaRoot, rsaLeaf, another] as const
const anchors = new Map([[OWN, [root.der, rsaRoot.der]]])

/** The bytes that are signed: the first element within the outer SEQUENCE (RFC 5280 4.1). */
function signedBytes({ der }: Made): Buffer {
  const contentsAt = (at: number): number => {
    const first = der.readUInt8(at + 1)
    return at + 2 + (first < 0x80 ? 0 : first & 0x7f)
  }
  const begin = contentsAt(0)
  const contents = contentsAt(begin)
  const short = contents === begin + 2
  const length = short ? der.readUInt8(begin + 1) : der.readUIntBE(begin + 2, contents - begin - 2)
  return der.subarray(begin, contents + length)
}

function changed(draw: Draw, { der }: Made): Buffer {
  const other = draw.pick(all).der
  return draw.chance(0.6) ? mutateDer(draw, der, other) : mutate(draw, der, other)
}

const verify = (chain: readonly Uint8Array[], bundles = anchors): string =>
  verifyX509Svid(chain, bundles, { now: NOW, mode: 'strict' })

test(`S10: of ${CERTIFICATES} changed certificates none is taken whose signature does not fit`, (t) => {
  const draw = createDraw(drawSeed(t))
  const read = createInputs()
  const verified = createInputs()
  for (let count = 0; count < CERTIFICATES; count++) {
    const made = draw.pick(all)
    const mutant = changed(draw, made)
    read.try(mutant, () => parseCertificate(mutant, 'mutant'))
    read.try(mutant, () => usableTrustAnchors([mutant]))
    const [chain, signed] =
      made === rsaLeaf
        ? [[mutant], rsaLeaf]
        : made === intermediate
          ? [[leaf.der, mutant], intermediate]
          : [[mutant, intermediate.der], leaf]
    // Of its own bytes nothing can be different where it is taken: they, and no others, were signed.
    if (verified.try(mutant, () => verify(chain)) !== undefined)
      assert(mutant.includes(signedBytes(signed)), mutant.toString('base64'))
    // An anchor is trusted for what it says; what did not sign the leaf vouches for nothing all the same.
    const bundles = new Map([[OWN, [mutant]]])
    if (verified.try(mutant, () => verify([rsaLeaf.der], bundles)) !== undefined) {
      const key = new X509Certificate(mutant).publicKey.export({ type: 'spki', format: 'der' })
      assert(key.equals(rsaRoot.key.spki), mutant.toString('base64'))
    }
  }
  // A bundle is never refused for what is in it.
  read.report(t, { accepted: CERTIFICATES * 1.05, refused: CERTIFICATES / 4 })
  verified.report(t, { accepted: CERTIFICATES / 200, refused: CERTIFICATES })
})

test(`S10: ${PEMS} changed files of trust anchors`, (t) => {
  const draw = createDraw(drawSeed(t))
  const inputs = createInputs()
  const files = [
    toPem(root.der, 'CERTIFICATE'),
    toPem(root.der, 'CERTIFICATE') + toPem(rsaRoot.der, 'CERTIFICATE'),
    `${toPem(intermediate.der, 'CERTIFICATE')}\n\n${toPem(rsaRoot.der, 'CERTIFICATE')}`.replaceAll(
      '\n',
      '\r\n',
    ),
    toPem(rsaRoot.key.pkcs8, 'PRIVATE KEY'),
  ] as const
  for (let count = 0; count < PEMS; count++) {
    const text = changedLines(draw, draw.pick(files), draw.pick(files))
    const found = inputs.try(text, () => readTrustAnchorsPem(text, 'mutant'))
    for (const { der } of found?.anchors ?? []) parseCertificate(der, 'what was taken')
  }
  inputs.report(t, { accepted: PEMS / 50, refused: PEMS / 4 })
})

function changedLines(draw: Draw, text: string, other: string): string {
  if (draw.chance(0.5)) return mutate(draw, Buffer.from(text), Buffer.from(other)).toString()
  const [lines, others] = [text.split('\n'), other.split('\n')]
  for (let change = 1 + draw.int(4); change > 0; change--) {
    const at = draw.int(lines.length)
    const piece = others.slice(draw.int(others.length)).slice(0, draw.int(20))
    lines.splice(at, draw.int(3), ...(draw.chance(0.5) ? piece : []))
  }
  return lines.join('\n')
}

test('S10: keys that are dear to check, and chains that lead nowhere, are done with quickly', async (t) => {
  const inputs = createInputs()
  const plain = await generateKey('ec-p256')
  const rsa = (bits: number, exponent: Buffer): Buffer => {
    const modulus = randomBytes(bits / 8)
    modulus[0] = 0x7f
    modulus[bits / 8 - 1] = 1
    const key = sequence(integer(modulus), integer(exponent))
    const algorithm = sequence(objectIdentifier('1.2.840.113549.1.1.1'), Buffer.from([5, 0]))
    return sequence(algorithm, bitString(key))
  }
  const dear = [
    [1_024, Buffer.from([3])],
    [2_048, Buffer.from([3])],
    [16_384, Buffer.from([1, 0, 1])],
    [16_384, randomBytes(8)],
    [32_768, Buffer.from([3])],
    [131_072, randomBytes(16_384)],
  ] as const
  for (const [bits, exponent] of dear) {
    const key = { ...plain, spki: rsa(bits, exponent) }
    const authority = await makeCa({ by: root, key, name: 'CN=dear' })
    const name = 'CN=dear'
    // Each names the one of the dear key as its issuer, whose signature is then looked at.
    const signed = { ...authority, key: plain, name }
    const child = await makeLeaf({ by: signed })
    inputs.try(authority.der, () => parseCertificate(authority.der, 'dear'))
    inputs.try(authority.der, () => usableTrustAnchors([authority.der]))
    inputs.try(child.der, () => verify([child.der, authority.der]))
  }
  // Every one could have issued every other.
  const alike = await Promise.all(
    Array.from({ length: 15 }, () =>
      makeCa({ by: { ...root, name: 'CN=alike' }, name: 'CN=alike' }),
    ),
  )
  const child = await makeLeaf({ by: { ...root, name: 'CN=alike' } })
  const chain = [child, ...alike].map(({ der }) => der)
  inputs.try(child.der, () => verify(chain, new Map([[OWN, [rsaRoot.der]]])))
  inputs.try(child.der, () => verify([...chain, ...chain]))
  inputs.report(t, { accepted: 1, refused: dear.length })
})
