import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pathLengthFault, pathToAnchor, signedBy } from '../../../src/authority/chain.ts'
import { createOperatorCa } from '../../fakes/operator-ca.ts'
import type { OperatorCa } from '../../fakes/operator-ca.ts'

const life = { notBefore: Date.UTC(2029, 0, 1), notAfter: Date.UTC(2049, 0, 1) }
const der = (ca: OperatorCa): Buffer => Buffer.from(ca.certificate.rawData)

const root = await createOperatorCa({ name: 'root', ...life })
const upper = await createOperatorCa({ name: 'upper', ...life, by: root, pathLen: 1 })
const lower = await createOperatorCa({ name: 'lower', ...life, by: upper, pathLen: 0 })

test('signedBy: a certificate of the same name with another key is not its signer', async () => {
  const plain = { ...life, keyIdentifiers: false }
  const real = await createOperatorCa({ name: 'old root', ...plain })
  const forged = await createOperatorCa({ name: 'old root', ...plain })
  const under = await createOperatorCa({ name: 'under', ...plain, by: real })
  assert.equal(signedBy(der(under), der(real)), true)
  assert.equal(signedBy(der(under), der(forged)), false)
  assert.equal(signedBy(der(under), der(upper)), false)
})

test('pathToAnchor: sends what lies below the first anchor it reaches, without it', () => {
  const chain = [der(lower), der(upper), der(root)]
  assert.deepEqual(pathToAnchor(chain, [der(root)]), { sent: chain.slice(0, 2), anchor: der(root) })
  assert.deepEqual(pathToAnchor(chain.slice(0, 2), [der(root)])?.sent, chain.slice(0, 2))
  assert.deepEqual(pathToAnchor(chain, [der(root), der(upper)])?.sent, [der(lower)])
  assert.deepEqual(pathToAnchor(chain, [der(lower)])?.sent, [])
})

test('pathToAnchor: a chain with a gap, out of order, or to no anchor leads nowhere', () => {
  assert.equal(pathToAnchor([der(lower)], [der(root)]), undefined)
  assert.equal(pathToAnchor([der(lower), der(root), der(upper)], [der(root)]), undefined)
  assert.equal(pathToAnchor([der(lower), der(upper)], []), undefined)
  assert.equal(pathToAnchor([], [der(root)]), undefined)
})

test('pathLengthFault: names the first certificate that allows no further CA below', () => {
  assert.equal(pathLengthFault([der(upper), der(root)]), undefined)
  assert.equal(pathLengthFault([der(lower), der(upper), der(root)]), 0)
  assert.equal(pathLengthFault([der(root), der(upper)]), 1)
})
