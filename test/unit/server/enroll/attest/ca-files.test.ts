import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { toPem } from '../../../../../src/certs/parse.ts'
import { openCaFiles } from '../../../../../src/server/enroll/attest/ca-files.ts'
import { createLog } from '../../../../../src/telemetry/log.ts'
import { createManualClock } from '../../../../fakes/clock.ts'
import { temporaryFolder } from '../../../../fakes/folder.ts'
import { makeCa, makeLeaf } from '../../../certs/make-certificate.ts'
import type { Made } from '../../../certs/make-certificate.ts'

const [one, two, three] = [await makeCa(), await makeCa(), await makeCa()]
const leaf = await makeLeaf({ by: one })
const pem = (...made: readonly Made[]): string =>
  made.map(({ der }) => toPem(der, 'CERTIFICATE')).join('')

function setUp(t: TestContext, contents: Readonly<Record<string, string>>) {
  const folder = temporaryFolder(t)
  const path = (name: string): string => join(folder, name)
  for (const [name, text] of Object.entries(contents)) writeFileSync(path(name), text)
  const clock = createManualClock()
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const log = createLog({ level: 'info', format: 'json', stream, clock })
  const open = () => {
    const files = openCaFiles(Object.keys(contents).map(path), { clock, log })
    t.after(() => files.close())
    return files
  }
  return { path, open, lines }
}

test('openCaFiles holds the CAs of all files, and follows each', (t) => {
  const { path, open, lines } = setUp(t, { a: pem(one, two), b: pem(two) })
  const files = open()
  assert.deepEqual(files.anchors(), [one.der, two.der, two.der])
  writeFileSync(path('new'), pem(three))
  renameSync(path('new'), path('b'))
  files.check()
  assert.deepEqual(files.anchors(), [one.der, two.der, three.der])
  assert.match(lines.at(-1) ?? '', /CAs of nodes read again/)
})

test('openCaFiles keeps what a file held when that becomes unusable, and says so', (t) => {
  const { path, open, lines } = setUp(t, { a: pem(one) })
  const files = open()
  for (const text of ['nonsense', pem(leaf), '']) {
    writeFileSync(path('a'), text)
    files.check()
    assert.deepEqual(files.anchors(), [one.der])
    assert.match(lines.at(-1) ?? '', /CAs of nodes not usable: the last good ones stay/)
  }
  writeFileSync(path('a'), pem(two))
  files.check()
  assert.deepEqual(files.anchors(), [two.der])
})

test('openCaFiles does not begin with a file that cannot be used', (t) => {
  const fault = { code: 'config_invalid', message: /nodeAttestors\.x509pop: / }
  for (const text of ['', pem(leaf), toPem(one.key.pkcs8, 'PRIVATE KEY')])
    assert.throws(setUp(t, { a: pem(one), b: text }).open, fault)
  const missing = createManualClock()
  const log = createLog({
    level: 'error',
    format: 'json',
    stream: { write: () => true },
    clock: missing,
  })
  assert.throws(() => openCaFiles(['/nowhere/at/all.pem'], { clock: missing, log }), fault)
})
