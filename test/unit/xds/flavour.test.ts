import assert from 'node:assert/strict'
import test from 'node:test'
import { parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts'
import { bundleContent, validatorFlavour } from '../../../src/xds/flavour.ts'

const metadata = (value: unknown) => ({ metadata: { disable_spiffe_cert_validation: value } })

test('validatorFlavour gives the SPIFFE validator to Envoys after 1.17 and to those that do not say', () => {
  const of = (major: number, minor: number) =>
    validatorFlavour({ version: { major, minor } }, 'spiffe')
  assert.deepEqual(
    [of(1, 17), of(1, 18), of(1, 40), of(2, 0), of(0, 99)],
    ['trusted-ca', 'spiffe', 'spiffe', 'spiffe', 'trusted-ca'],
  )
  assert.equal(validatorFlavour({}, 'spiffe'), 'spiffe')
  assert.equal(validatorFlavour({}, 'trusted-ca'), 'trusted-ca')
})

test('validatorFlavour lets node metadata override the config in both directions, as Go reads a bool', () => {
  for (const value of [true, 'true', '1', 't', 'T', 'TRUE', 'True'])
    assert.equal(validatorFlavour(metadata(value), 'spiffe'), 'trusted-ca', String(value))
  for (const value of [false, 'false', '0', 'f', 'F', 'FALSE', 'False'])
    assert.equal(validatorFlavour(metadata(value), 'trusted-ca'), 'spiffe', String(value))
})

test('validatorFlavour ignores metadata that is no bool', () => {
  for (const value of ['yes', 'tRUE', '', 1, 0, null, {}, undefined]) {
    assert.equal(validatorFlavour(metadata(value), 'spiffe'), 'spiffe')
    assert.equal(validatorFlavour(metadata(value), 'trusted-ca'), 'trusted-ca')
  }
})

test('validatorFlavour does not give an old Envoy what it does not have, whatever its metadata', () => {
  const old = { version: { major: 1, minor: 17 }, ...metadata(false) }
  assert.equal(validatorFlavour(old, 'spiffe'), 'trusted-ca')
})

const [own, partner, empty] = ['example.org', 'partner.test', 'empty.test'].map(parseTrustDomain)
const pemOf = (name: string) => ({ 'example.org': 'A', 'partner.test': 'B' })[name]

test('bundleContent leaves trust domains without authorities out, and says why nothing is left', () => {
  const all = { kind: 'all-bundles', trustDomains: [own!, partner!, empty!] } as const
  assert.deepEqual(bundleContent(all, 'spiffe', pemOf), {
    content: {
      kind: 'spiffe-validator',
      trustDomains: [
        { name: own, pem: 'A' },
        { name: partner, pem: 'B' },
      ],
    },
  })
  const none = bundleContent({ kind: 'bundle', trustDomain: empty! }, 'spiffe', pemOf)
  assert.ok('why' in none && none.why.includes('empty.test'))
  assert.ok('why' in bundleContent({ kind: 'bundle', trustDomain: own! }, 'trusted-ca', () => ''))
})

test('bundleContent gives several trust domains to the SPIFFE validator alone', () => {
  const all = { kind: 'all-bundles', trustDomains: [own!] } as const
  assert.ok('why' in bundleContent(all, 'trusted-ca', pemOf))
  const one = bundleContent({ kind: 'bundle', trustDomain: own! }, 'trusted-ca', pemOf)
  assert.deepEqual(one, { content: { kind: 'trusted-ca', pem: 'A' } })
})
