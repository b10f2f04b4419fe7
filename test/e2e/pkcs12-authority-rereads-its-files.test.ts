import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Secret } from '#envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { readCertificatesPem } from '../../src/certs/parse.ts'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { createOperatorCa } from '../fakes/operator-ca.ts'
import type { OperatorCa } from '../fakes/operator-ca.ts'
import { makePkcs12 } from '../fakes/pkcs12.ts'
import { spindle } from './rig/command.ts'
import { createOperator } from './rig/operator.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig, eventually } from './rig/rig.ts'
import { createSdsClient } from './rig/sds-client.ts'

/** PEM of the chain of a secret; '' where it is no certificate. */
function chainOf(secret: Secret | undefined): string {
  if (secret?.type.case !== 'tlsCertificate') return ''
  const source = secret.type.value.certificateChain?.specifier
  return source?.case === 'inlineBytes' ? Buffer.from(source.value).toString() : ''
}

test('an agent under a CA in a PKCS#12 file signs with it, and with the next one once file and password fit again', async (t) => {
  const rig = createRig(t)
  const operator = createOperator(rig.folder)
  const folder = join(rig.folder, 'ca')
  mkdirSync(folder)
  const now = Date.now()
  const life = { notBefore: now - 60_000, notAfter: now + 86_400_000 * 30 }
  const root = await createOperatorCa({ name: 'root', ...life })
  const put = (name: string, content: string | Buffer): void => {
    writeFileSync(join(folder, 'new'), content, { mode: 0o600 })
    renameSync(join(folder, 'new'), join(folder, name))
  }
  const pkcs12 = (ca: OperatorCa, password: string): Buffer => {
    const certificates = ca.certPem + root.certPem
    const made = makePkcs12(t, { key: ca.keyPem, certificates, password })
    assert(made !== undefined, 'openssl makes PKCS#12 files')
    return made
  }
  const first = await createOperatorCa({ name: 'first', ...life, by: root })
  const second = await createOperatorCa({ name: 'second', ...life, by: root })
  put('root.pem', root.certPem)
  put('ca.p12', pkcs12(first, 'one'))
  put('password', 'one\n')
  const agent = await rig.agent({
    entries: [{ spiffeId: 'spiffe://example.org/web', selectors: testSelectors() }],
    config: {
      authority: {
        kind: 'disk',
        pkcs12File: '../ca/ca.p12',
        passwordFile: '../ca/password',
        bundleFile: '../ca/root.pem',
      },
    },
  })
  const config = join(agent.folder, 'agent.yaml')
  const client = createSdsClient(agent.socket)
  rig.atEnd(() => client.close())
  const signedBy = async (): Promise<string> => {
    const [secret] = await client.fetch('default')
    const chain = chainOf(secret)
    assert.equal(operator.verify(chain, join(folder, 'root.pem')), 'OK')
    const top = readCertificatesPem(chain, 'chain').at(-1)!
    return new X509Certificate(top).subject.replace('CN=', '')
  }
  const fault = async (): Promise<string> =>
    (await agent.admin.call(AdminService.method.getAuthority, {}, { deadlineMs: 20_000 })).fault

  assert.equal(await signedBy(), 'first')
  assert.equal((await spindle(['validate', '-c', config])).code, 0)

  // The password of the next one is not there yet.
  put('ca.p12', pkcs12(second, 'two'))
  const shown = await eventually('a fault', async () => (await fault()) || undefined)
  assert.match(shown, /^authority\.passwordFile: does not hold the password/)
  const refused = await spindle(['validate', '-c', config])
  assert.equal(refused.code, 2)
  assert.match(refused.err, /authority\.passwordFile: does not hold the password/)
  assert.equal(await signedBy(), 'first')

  put('password', 'two\n')
  await eventually('no fault', async () => (await fault()) === '')
  await agent.admin.call(AdminService.method.rotateAuthority, {}, { deadlineMs: 30_000 })
  await eventually('the next one signs', async () => (await signedBy()) === 'second')
  const said = agent.child.output()
  for (const secret of ['one', 'two'])
    assert(!new RegExp(`password.*\\b${secret}\\b`).test(said), 'a password is in the log')
})
