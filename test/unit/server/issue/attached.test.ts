import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { parseCertificate } from '../../../../src/certs/parse.ts'
import type { StoredBundle } from '../../../../src/store/model.ts'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { createOperatorCa } from '../../../fakes/operator-ca.ts'
import type { OperatorCa } from '../../../fakes/operator-ca.ts'
import { fleet } from './setting.ts'

const notBefore = Date.UTC(2029, 0, 1)
const notAfter = Date.UTC(2049, 0, 1)
const HOUR = 3_600_000

/** Files of an operator's CA, and the server's config that names them. */
function files(t: TestContext): {
  config: string
  write(ca: OperatorCa, roots: OperatorCa[]): void
} {
  const folder = temporaryFolder(t)
  const [cert, key, roots] = ['ca.pem', 'key.pem', 'roots.pem'].map((name) => join(folder, name))
  return {
    config: `authority: { kind: disk, certFile: ${cert}, keyFile: ${key}, bundleFile: ${roots} }`,
    write(ca, anchors) {
      writeFileSync(cert ?? '', ca.certPem)
      writeFileSync(key ?? '', ca.keyPem, { mode: 0o600 })
      writeFileSync(roots ?? '', anchors.map(({ certPem }) => certPem).join(''))
    },
  }
}

const root = (name: string): Promise<OperatorCa> => createOperatorCa({ name, notBefore, notAfter })
const subjects = ({ x509Authorities }: StoredBundle): string[] =>
  x509Authorities.map(({ certificate }) => parseCertificate(certificate, 'it').subject)

test("an operator's roots are in the stored bundle as its file has them, also where it changed while the server was away", async (t) => {
  const { server, bundle, store } = await fleet(t)
  const { config, write } = files(t)
  const [one, two, three] = [await root('one'), await root('two'), await root('three')]
  write(one, [one])
  const server1 = server('a', config)
  const issuing = await server1.open()
  assert.deepEqual(subjects(await bundle()), ['CN=one'])
  const [row] = (await store.authorities.list()).filter(({ kind }) => kind === 'x509')
  assert.equal(
    row?.upstreamKeyId,
    parseCertificate(Buffer.from(one.certificate.rawData), 'one').subjectKeyId,
  )
  write(one, [one, two])
  await issuing.x509.reload()
  assert.deepEqual(subjects(await bundle()), ['CN=one', 'CN=two'])
  await issuing.close()
  write(two, [two, three])
  await (await server1.open()).close()
  assert.deepEqual(subjects(await bundle()), ['CN=two', 'CN=three'])
})

test("a root that another server's authorities lead to stays when one server has it no more", async (t) => {
  const { server, bundle } = await fleet(t)
  const postgres = '\nstore: { kind: postgres, url: "postgres://spindle@127.0.0.1/spindle" }'
  const [ofA, ofB] = [files(t), files(t)]
  const [one, two] = [await root('one'), await root('two')]
  ofA.write(one, [one])
  ofB.write(one, [one])
  const a = await server('a', ofA.config + postgres).open()
  const b = await server('b', ofB.config + postgres).open()
  ofA.write(two, [two])
  await a.x509.reload()
  assert.deepEqual(subjects(await bundle()), ['CN=one', 'CN=two'])
  ofB.write(two, [two])
  await b.x509.reload()
  assert.deepEqual(subjects(await bundle()), ['CN=two'])
})

test('where the config names another kind of authority, what was signed before stays trusted until it is over', async (t) => {
  const { server, bundle, clock, store } = await fleet(t)
  const { config, write } = files(t)
  const one = await root('one')
  write(one, [one])
  const before = server('a')
  await (await before.open()).close()
  const [own] = (await bundle()).x509Authorities
  const after = server('a', config, before.stateDir)
  const issuing = await after.open()
  assert.deepEqual((await bundle()).x509Authorities[0], own)
  assert.deepEqual(subjects(await bundle()).slice(1), ['CN=one'])
  const status = (await store.authorities.list()).find(({ source }) => source === 'embedded')
  assert.equal(status?.status, 'old')
  await issuing.close()
  clock.jump(49 * HOUR)
  await (await after.open()).close()
  assert.deepEqual(subjects(await bundle()), ['CN=one'])
})
