import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { attachedCa } from '../../../src/authority/disk-files.ts'
import type { AttachedCa } from '../../../src/authority/disk-files.ts'
import type { Pkcs12Material } from '../../../src/authority/disk-material.ts'
import { readCertificatesPem } from '../../../src/certs/parse.ts'
import { createOperatorCa } from '../../fakes/operator-ca.ts'
import type { OperatorCa } from '../../fakes/operator-ca.ts'
import { makePkcs12 } from '../../fakes/pkcs12.ts'

const DAY = 86_400_000
const NOW = Date.UTC(2030, 0, 1)
const life = { notBefore: NOW - DAY, notAfter: NOW + 3650 * DAY }
// It lasts longest, so that nothing but the key can say which certificate is the CA.
const root = await createOperatorCa({ name: 'root', ...life, notAfter: life.notAfter + DAY })
const upper = await createOperatorCa({ name: 'upper', ...life, by: root })
const lower = await createOperatorCa({ name: 'lower', ...life, by: upper })
const stranger = await createOperatorCa({ name: 'stranger', ...life })

const pems = (...cas: readonly OperatorCa[]): string => cas.map(({ certPem }) => certPem).join('')
const ders = (...cas: readonly OperatorCa[]): readonly Buffer[] =>
  readCertificatesPem(pems(...cas), 'test')

type Material = Pkcs12Material & { readonly bundleFile?: string }

function material(
  t: TestContext,
  parts: { readonly key?: OperatorCa; readonly args?: readonly string[] },
  ...certificates: readonly OperatorCa[]
): Material {
  const pkcs12File = makePkcs12(t, {
    certificates: pems(...certificates),
    password: 'word',
    ...(parts.key && { key: parts.key.keyPem }),
    ...(parts.args && { args: parts.args }),
  })
  assert(pkcs12File !== undefined)
  return { pkcs12File, password: 'word', passwordFileMode: 0o100600 }
}

const read = (from: Material, now = NOW): Promise<AttachedCa> =>
  attachedCa(from, { now, svidTtlMs: DAY / 24 })
const faultsOf = async (from: Material, now = NOW): Promise<string> => {
  const outcome = await read(from, now).catch((thrown: unknown) => thrown)
  assert(outcome instanceof Error && 'code' in outcome, 'it is refused')
  assert.equal(outcome.code, 'config_invalid')
  return outcome.message
}

test('attachedCa: of a PKCS#12 file the certificate of the key is the CA, and those above it follow in their order', async (t) => {
  for (const certificates of [
    [lower, upper, root],
    [root, stranger, upper, lower],
  ]) {
    const from = material(t, { key: lower }, ...certificates)
    const { issuer, sent, anchors } = await read({ ...from, bundleFile: root.certPem })
    assert.deepEqual([issuer.certificate], ders(lower))
    assert.deepEqual(sent, ders(lower, upper))
    assert.deepEqual(anchors, ders(root))
  }
})

test('attachedCa: of two certificates of the key the one that ends last is the CA', async (t) => {
  const renewed = await createOperatorCa({
    name: 'lower',
    ...life,
    notAfter: life.notAfter + DAY / 2,
    by: upper,
    keys: lower.keys,
  })
  const from = material(t, { key: lower }, lower, renewed, upper)
  const { issuer } = await read({ ...from, bundleFile: root.certPem })
  assert.deepEqual([issuer.certificate], ders(renewed))
})

test('attachedCa: a self-signed CA in a PKCS#12 file is the anchor; any other needs bundleFile', async (t) => {
  const { anchors, sent } = await read(material(t, { key: root }, root))
  assert.deepEqual(anchors, ders(root))
  assert.deepEqual(sent, [])
  assert.equal(
    await faultsOf(material(t, { key: upper }, upper, root)),
    'authority.bundleFile: needed, because the certificate of authority.pkcs12File is not self-signed',
  )
})

test('attachedCa: a PKCS#12 file without a key, without a certificate, or of a CA that ends is told by its name', async (t) => {
  assert.match(
    await faultsOf(material(t, {}, root)),
    /^authority\.pkcs12File: holds no private key$/,
  )
  const bare = material(t, { key: root, args: ['-nocerts'] }, root)
  assert.match(await faultsOf(bare), /^authority\.pkcs12File: holds no certificate$/)
  const ended = await faultsOf(material(t, { key: root }, root), life.notAfter + DAY)
  assert.match(ended, /^authority\.pkcs12File: the CA or its anchor ends .* within svid\.ttl$/)
})

test('attachedCa: a password that others can read, a wrong one and a bad bundle are told at once', async (t) => {
  const from = material(t, { key: root }, root)
  for (const mode of [0o644, 0o660, 0o602])
    assert.match(
      await faultsOf({ ...from, passwordFileMode: mode }),
      /^authority\.passwordFile: mode 0\d{3} lets others at the password/,
    )
  for (const mode of [0o400, 0o440, 0o640]) await read({ ...from, passwordFileMode: mode })
  const both = await faultsOf({ ...from, password: 'guess', passwordFileMode: 0o666 })
  assert.deepEqual(both.split('\n'), [
    'authority.passwordFile: mode 0666 lets others at the password; allowed is 0600 or 0640',
    'authority.passwordFile: does not hold the password of authority.pkcs12File, or that is damaged',
  ])
  assert.match(await faultsOf({ ...from, bundleFile: 'none' }), /authority\.bundleFile/)
})
