import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attachedCa } from '../../../src/authority/disk-files.ts'
import { toPem } from '../../../src/certs/parse.ts'
import { HOUR, makeCa, NOW, USAGE } from '../certs/make-certificate.ts'

test('attachedCa() takes an operator’s CA with a usage of leaves, and says that it is unusual', async () => {
  const usage = USAGE.keyCertSign | USAGE.cRLSign | USAGE.digitalSignature
  for (const [made, warned] of [
    [await makeCa({ usage }), true],
    [await makeCa({}), false],
  ] as const) {
    const material = {
      certFile: toPem(made.der, 'CERTIFICATE'),
      keyFile: toPem(made.key.pkcs8, 'PRIVATE KEY'),
      keyFileMode: 0o600,
    }
    const { warnings } = await attachedCa(material, { now: NOW, svidTtlMs: HOUR / 2 })
    assert.equal(warnings.length, warned ? 1 : 0)
    if (warned) assert.match(warnings[0] ?? '', /^authority\.certFile: CN=.* is unusual: XC-11 /)
  }
})
