import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkedPath, usableRoots } from '../../../../src/authority/server/answer.ts'
import type { UpstreamCa } from '../../../../src/authority/server/upstream.ts'
import { createIntermediateCertificate, createIssuer } from '../../../../src/certs/issuer.ts'
import { generateKey } from '../../../../src/certs/keys.ts'
import { parseTrustDomain, trustDomainId } from '../../../../src/spiffe/spiffe-id.ts'
import { makeCa, makeLeaf, NOW } from '../../certs/make-certificate.ts'
import type { Made } from '../../certs/make-certificate.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const trustDomain = parseTrustDomain('example.org')
const key = await generateKey('ec-p256')
const root = await makeCa({ notBefore: NOW - DAY, notAfter: NOW + DAY })
const signing = await makeCa({ by: root, notBefore: NOW - DAY, notAfter: NOW + DAY })
const wanted = { spki: key.spki, trustDomain, now: NOW, leastLifeMs: 60_000 }

interface Asked {
  readonly by?: Made
  readonly of?: string
  readonly notBefore?: number
  readonly notAfter?: number
}

function ca(asked: Asked = {}): Promise<Buffer> {
  const { by = signing, of = 'example.org', notBefore = NOW - HOUR, notAfter = NOW + HOUR } = asked
  return createIntermediateCertificate(createIssuer(by.der, by.key, 'by'), key, {
    trustDomainId: trustDomainId(parseTrustDomain(of)),
    notBefore,
    notAfter,
    serial: Buffer.from([1]),
  })
}

const good: UpstreamCa = { chain: [await ca(), signing.der], roots: [root.der] }

test('checkedPath: is what is sent after a leaf, without the root, whether that came in the chain or not', () => {
  for (const chain of [good.chain, [...good.chain, root.der]]) {
    const path = checkedPath({ ...good, chain }, wanted)
    assert.deepEqual(path.sent, good.chain)
    assert.deepEqual(path.anchor, root.der)
  }
})

const unrelated = await makeCa({})
const dying = await makeCa({ notBefore: NOW - DAY, notAfter: NOW + HOUR / 2 })
const outliving = await makeCa({ by: dying, notBefore: NOW - DAY, notAfter: NOW + DAY })
const young = await makeCa({ by: root, notBefore: NOW + 1_000, notAfter: NOW + DAY })
const tight = await makeCa({ notBefore: NOW - DAY, notAfter: NOW + DAY, pathLen: 0 })
const loose = await makeCa({ by: tight, notBefore: NOW - DAY, notAfter: NOW + DAY })
const leaf = await makeLeaf({ by: root, key })

const faults: Readonly<Record<string, readonly [UpstreamCa, RegExp]>> = {
  'no certificate': [{ ...good, chain: [] }, /is missing/],
  'bytes that are none': [{ ...good, chain: [Buffer.from('certificate')] }, /not a certificate/],
  'the CA of another key': [{ ...good, chain: [signing.der] }, /for another key/],
  'a CA of another trust domain': [
    { ...good, chain: [await ca({ of: 'other.test' }), signing.der] },
    /not one of spiffe:\/\/example\.org/,
  ],
  'a leaf': [{ ...good, chain: [leaf.der] }, /not one of spiffe|may not sign/],
  'another root': [{ ...good, roots: [unrelated.der] }, /leads to no root/],
  'no root': [{ ...good, roots: [] }, /leads to no root/],
  'a gap in the chain': [{ ...good, chain: good.chain.slice(0, 1) }, /leads to no root/],
  'its own CA as the root': [{ ...good, roots: good.chain.slice(0, 1) }, /leads to no root/],
  'more than any chain has': [
    { ...good, chain: [...good.chain, ...Array<Buffer>(7).fill(signing.der)] },
    /more than 7 others/,
  ],
  'a CA that may not be there': [
    { chain: [await ca({ by: loose }), loose.der], roots: [tight.der] },
    /pathLenConstraint/,
  ],
  'a CA of tomorrow': [
    { ...good, chain: [await ca({ notBefore: NOW + HOUR / 2 }), signing.der] },
    /not valid yet/,
  ],
  'a CA below one of tomorrow': [
    { ...good, chain: [await ca({ by: young }), young.der] },
    /not valid yet/,
  ],
  'a CA about to end': [
    { ...good, chain: [await ca({ notAfter: NOW + 59_000 }), signing.der] },
    /ends too soon/,
  ],
  'a CA that outlives its root': [
    { chain: [await ca({ by: outliving }), outliving.der], roots: [dying.der] },
    /outlive its root/,
  ],
}

for (const [name, [answer, message]] of Object.entries(faults)) {
  test(`checkedPath: refuses ${name}`, () => {
    assert.throws(
      () => checkedPath(answer, wanted),
      (thrown: Error & { code?: string }) =>
        message.test(thrown.message) &&
        ['certificate_invalid', 'authority_unavailable'].includes(thrown.code ?? ''),
    )
  })
}

test('usableRoots: passes over what may not sign, and refuses none and far too many', () => {
  assert.deepEqual(usableRoots([leaf.der, root.der, Buffer.from([0])]), [root.der])
  for (const roots of [[], [leaf.der], Array<Buffer>(257).fill(root.der)])
    assert.throws(() => usableRoots(roots), { code: 'authority_unavailable' })
})
