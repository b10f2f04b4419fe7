import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { createFakeAgent } from '../../../fakes/workload-agent.ts'
import { makeCa } from '../../certs/make-certificate.ts'
import { ca, one, svid } from '../../workload/setting.ts'
import { workload } from './setting.ts'

test('workload x509 shows each certificate and no key, in every form', async (t) => {
  const intermediate = await makeCa({ by: ca })
  const web = await svid('web', { hint: 'inner' })
  const x509Svid = Buffer.concat([web.x509Svid as Uint8Array, intermediate.der])
  const agent = await createFakeAgent(t, {
    fetchX509SVID: (stream) =>
      stream.send({
        svids: [{ ...web, x509Svid } as typeof web],
        federatedBundles: { 'spiffe://partner.test': ca.der },
      }),
  })
  const asTable = await workload(agent, ['x509'])
  assert.equal(asTable.code, 0, asTable.err)
  for (const row of [
    /^spiffe:\/\/example\.org\/web +inner +svid +\d{4}-\S+Z +\d{4}-\S+Z /m,
    /^spiffe:\/\/example\.org\/web +inner +intermediate /m,
    /^spiffe:\/\/example\.org +- +authority /m,
    /^spiffe:\/\/partner\.test +- +federated /m,
  ])
    assert.match(asTable.out, row)
  const asJson = await workload(agent, ['x509', '-o', 'json'])
  const { svids, federatedBundles } = JSON.parse(asJson.out) as {
    svids: { spiffeId: string; hint: string; certificates: { pem: string }[]; bundle: object[] }[]
    federatedBundles: Record<string, { pem: string }[]>
  }
  assert.equal(svids[0]?.hint, 'inner')
  assert.equal(svids[0]?.certificates.length, 2)
  assert.equal(svids[0]?.bundle.length, 1)
  assert.match(federatedBundles['partner.test']?.[0]?.pem ?? '', /BEGIN CERTIFICATE/)
  const asYaml = await workload(agent, ['x509', '-o', 'yaml'])
  assert.match(asYaml.out, /spiffeId: spiffe:\/\/example\.org\/web/)
  const key = Buffer.from(web.x509SvidKey as Uint8Array)
    .toString('base64')
    .slice(40, 80)
  for (const { out, err } of [asTable, asJson, asYaml]) {
    assert.doesNotMatch(out + err, /PRIVATE KEY/)
    assert(!(out + err).includes(key))
  }
})

test('workload x509 --write gives the files of spire-agent, and takes away those that are no more', async (t) => {
  const agent = await createFakeAgent(t)
  const give = async (names: readonly string[], partners: readonly string[]) => {
    const message = {
      svids: await Promise.all(names.map((name) => svid(name))),
      federatedBundles: Object.fromEntries(partners.map((name) => [`spiffe://${name}`, ca.der])),
    }
    agent.says = { fetchX509SVID: (stream) => stream.send(message) }
  }
  const folder = join(temporaryFolder(t), 'made')
  await give(['web', 'db'], ['b.test', 'a.test'])
  const first = await workload(agent, ['x509', '--write', folder])
  assert.equal(first.code, 0, first.err)
  assert.deepEqual(readdirSync(folder).toSorted(), [
    'bundle.0.pem',
    'bundle.1.pem',
    'federated_bundle.0.0.pem',
    'federated_bundle.0.1.pem',
    'federated_bundle.1.0.pem',
    'federated_bundle.1.1.pem',
    'svid.0.key',
    'svid.0.pem',
    'svid.1.key',
    'svid.1.pem',
  ])
  for (const [name, of] of [
    ['svid.0', 'web'],
    ['svid.1', 'db'],
  ] as const) {
    const leaf = new X509Certificate(readFileSync(join(folder, `${name}.pem`)))
    assert.equal(leaf.subjectAltName, `URI:spiffe://example.org/${of}`)
    assert(leaf.checkPrivateKey(createPrivateKey(readFileSync(join(folder, `${name}.key`)))))
    assert.equal(statSync(join(folder, `${name}.key`)).mode & 0o777, 0o600)
    assert.equal(statSync(join(folder, `${name}.pem`)).mode & 0o777, 0o644)
  }

  writeFileSync(join(folder, 'svid.key'), 'of somebody else')
  await give(['web'], [])
  const silent = await workload(agent, ['x509', '--write', folder, '-silent'])
  assert.deepEqual([silent.code, silent.out], [0, ''])
  assert.deepEqual(readdirSync(folder).toSorted(), [
    'bundle.0.pem',
    'svid.0.key',
    'svid.0.pem',
    'svid.key',
  ])

  mkdirSync(join(folder, 'taken/svid.0.pem'), { recursive: true })
  const refused = await workload(agent, ['x509', '--write', join(folder, 'taken')])
  assert.equal(refused.code, 1)
  assert.match(refused.err, /--write \S+taken: .*svid\.0\.pem is a folder/)
})

test('workload bundles shows both kinds, writes both, and does with one where the other is not offered', async (t) => {
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: Buffer.alloc(32, 1).toString('base64url'),
    y: Buffer.alloc(32, 2).toString('base64url'),
    kid: 'the-kid',
  }
  const agent = await createFakeAgent(t, {
    fetchX509Bundles: (stream) => stream.send({ bundles: { 'spiffe://example.org': ca.der } }),
    fetchJWTBundles: (stream) =>
      stream.send({
        bundles: { 'spiffe://example.org': Buffer.from(JSON.stringify({ keys: [jwk] })) },
      }),
  })
  const folder = temporaryFolder(t)
  const both = await workload(agent, ['bundles', '--write', folder])
  assert.equal(both.code, 0, both.err)
  assert.match(both.out, /^example\.org +x509 +\S+ +\d{4}/m)
  assert.match(both.out, /^example\.org +jwt +the-kid /m)
  assert.deepEqual(readdirSync(folder).toSorted(), [
    'bundle.example.org.jwks.json',
    'bundle.example.org.pem',
  ])
  // For JWT libraries, which pass over a key whose `use` is SPIFFE's own.
  const written = readFileSync(join(folder, 'bundle.example.org.jwks.json'), 'utf8')
  assert.deepEqual(JSON.parse(written), { keys: [jwk] })
  agent.says = {
    ...agent.says,
    fetchJWTBundles: (stream) => stream.fail(status.UNIMPLEMENTED, 'switched off'),
  }
  const single = await workload(agent, ['bundles', '-o', 'json'])
  assert.equal(single.code, 0)
  assert.match(single.err, /switched off/)
  const { bundles } = JSON.parse(single.out) as { bundles: Record<string, object> }
  assert.deepEqual(Object.keys(bundles), ['example.org'])
  agent.says = { fetchX509Bundles: (stream) => stream.fail(status.UNIMPLEMENTED, 'neither') }
  agent.says.fetchJWTBundles = (stream) => stream.fail(status.UNIMPLEMENTED, 'neither')
  assert.equal((await workload(agent, ['bundles'])).code, 1)
})

test('workload watch prints a line for each state and a fault once, until it is interrupted', async (t) => {
  const [web, other] = [await one('web'), await one('other')]
  const agent = await createFakeAgent(t, {
    fetchX509SVID(stream) {
      stream.send(web)
      stream.send({ svids: [] })
      stream.send({ svids: [] })
      stream.send(other)
    },
  })
  const folder = temporaryFolder(t)
  const lines: string[] = []
  const interrupt = new Map<string, () => void>()
  const ran = await workload(agent, ['watch', '-o', 'json', '--write', folder], {
    out(text) {
      lines.push(text)
      if (lines.length === 2) interrupt.get('SIGINT')?.()
    },
    onSignal(name, listen) {
      interrupt.set(name, listen)
      return () => void interrupt.delete(name)
    },
  })
  assert.equal(ran.code, 0, ran.err)
  const ids = lines.map((line) => {
    assert.match(line, /^\{.*\}\n$/)
    return (JSON.parse(line) as { svids: { spiffeId: string }[] }).svids[0]?.spiffeId
  })
  assert.deepEqual(ids, ['spiffe://example.org/web', 'spiffe://example.org/other'])
  assert.equal(ran.err.match(/it has no SVID/g)?.length, 1)
  assert.equal(interrupt.size, 0)
  const leaf = new X509Certificate(readFileSync(join(folder, 'svid.0.pem')))
  assert.equal(leaf.subjectAltName, 'URI:spiffe://example.org/other')
})
