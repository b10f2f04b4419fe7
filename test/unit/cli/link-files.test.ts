import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { readFiles } from '../../../src/cli/doctor/files.ts'
import { loadConfig } from '../../../src/cli/validate.ts'
import { temporaryFolder, writeIn } from '../../fakes/folder.ts'
import { createOperatorCa } from '../../fakes/operator-ca.ts'

const LIFE = { notBefore: Date.UTC(2020, 0), notAfter: Date.UTC(2040, 0) }
const TOKEN = { kind: 'join-token', tokenFile: 'token' }

function configure(t: TestContext, attest: object = TOKEN) {
  const folder = temporaryFolder(t)
  const authority = { kind: 'server', address: 'h:1', trustBundleFile: 'bundle.pem', attest }
  const file = writeIn(
    folder,
    'agent.yaml',
    stringify({ trustDomain: 'example.org', stateDir: 'state', authority }),
  )
  return { folder, file }
}

const faultsOf = (file: string): Promise<string> =>
  loadConfig(file).then(
    ({ warnings }) => `warned: ${warnings.join('; ')}`,
    (thrown: unknown) => String(thrown),
  )

test('loadConfig() reads the files by which agent and server know each other, and warns of those that others may read', async (t) => {
  const { folder, file } = configure(t)
  const { certPem } = await createOperatorCa({ name: 'server', ...LIFE })
  assert.match(await faultsOf(file), /bundle\.pem cannot be read.*\n.*token cannot be read/)
  writeIn(folder, 'bundle.pem', certPem)
  const token = writeIn(folder, 'token', '\n')
  assert.match(await faultsOf(file), /token is empty/)
  writeIn(folder, 'token', 'abc\n')
  chmodSync(token, 0o644)
  assert.match(await faultsOf(file), /^warned: .*token: has mode 0644: others may read it/)
  chmodSync(token, 0o600)
  assert.equal(await faultsOf(file), 'warned: ')
  writeIn(folder, 'bundle.pem', 'nothing of the kind')
  assert.match(await faultsOf(file), /bundle\.pem/)
})

test('loadConfig() does not miss, once the node has joined, what it needed for that', async (t) => {
  const { folder, file } = configure(t)
  writeIn(join(folder, 'state'), 'node.sealed', 'x')
  assert.match(await faultsOf(file), /^warned: .*needed when the node attests again/)
})

test('loadConfig() reads the certificate of a node, and warns of a key that others may read', async (t) => {
  const attest = { kind: 'x509pop', certFile: 'node.pem', keyFile: 'node-key.pem' }
  const { folder, file } = configure(t, attest)
  const { certPem, keyPem } = await createOperatorCa({ name: 'node', ...LIFE })
  for (const name of ['bundle.pem', 'node.pem']) writeIn(folder, name, certPem)
  chmodSync(writeIn(folder, 'node-key.pem', keyPem), 0o640)
  assert.match(await faultsOf(file), /^warned: .*node-key\.pem: has mode 0640/)
})

test('readFiles() of the doctor judges each of these files by its name', async (t) => {
  const { folder, file } = configure(t)
  chmodSync(writeIn(folder, 'token', 'abc\n'), 0o600)
  const { verdicts } = await readFiles(file, true)
  assert.deepEqual(
    verdicts.map(({ check, level, where }) => [check, level, where.slice(folder.length + 1)]),
    [
      ['configuration', 'ok', 'agent.yaml'],
      ['trust bundle', 'fail', 'bundle.pem'],
      ['join token', 'ok', 'token'],
    ],
  )
})
