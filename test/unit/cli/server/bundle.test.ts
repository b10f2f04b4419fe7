import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBundle } from '../../../../src/spiffe/bundle.ts'
import type { TrustDomain } from '../../../../src/spiffe/spiffe-id.ts'
import { writeIn } from '../../../fakes/folder.ts'
import { command, startOperator } from './setting.ts'

const RULE = '*'.repeat(40)

test('bundle show prints the own bundle as PEM, as a SPIFFE document and as the API has it', async (t) => {
  const { out } = await startOperator(t)
  const pem = await out('bundle show')
  assert.match(pem, /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n$/)
  const document = await out('bundle show -format spiffe')
  const { bundle, ignored } = parseBundle('example.org' as TrustDomain, document)
  assert.deepEqual(ignored, [])
  assert.equal(bundle.jwtAuthorities.length, 1)
  const der = Buffer.from(pem.split('\n').slice(1, -2).join(''), 'base64')
  assert.deepEqual(bundle.x509Authorities.map(Buffer.from), [der])
  const json = JSON.parse(await out('bundle show -output json')) as Record<string, unknown>
  assert.deepEqual(json['x509_authorities'], [{ asn1: der.toString('base64'), tainted: false }])
})

test("bundle set, list, count and delete print what SPIRE's do", async (t) => {
  const { folder, spindle, out } = await startOperator(t)
  const pem = await out('bundle show')
  const document = await out('bundle show -format spiffe')
  assert.equal(await out('bundle list'), '')
  const file = writeIn(folder, 'one.pem', pem)
  assert.equal(await out(`bundle set -id spiffe://one.test -path ${file}`), 'bundle set.\n')
  assert.equal(await out('bundle set -id two.test -format spiffe', document), 'bundle set.\n')
  assert.equal(await out('bundle count'), '3 bundles\n')
  assert.equal(
    await out('bundle list'),
    `${RULE}\n* one.test\n${RULE}\n${pem}\n${RULE}\n* two.test\n${RULE}\n${pem}`,
  )
  assert.equal(await out('bundle list -id one.test'), pem)
  const two = await out('bundle list -id spiffe://two.test -format spiffe')
  const { keys } = JSON.parse(document) as { keys: unknown[] }
  assert.deepEqual((JSON.parse(two) as { keys: unknown[] }).keys, keys)
  await out(
    'entry create -spiffeID spiffe://example.org/a -parentID spiffe://example.org/b -selector c:d -federatesWith spiffe://one.test',
  )
  const kept = await spindle('bundle delete -id one.test')
  assert.equal(kept.code, 1)
  assert.match(kept.err, /^Error: failed to delete federated bundle "one\.test": .+\n$/)
  const dissociated = await out('bundle delete -id one.test -mode dissociate')
  assert.equal(dissociated, 'bundle deleted.\n')
  const gone = await spindle('bundle delete -id one.test -output json')
  assert.equal(gone.code, 1)
  assert.deepEqual(JSON.parse(gone.out), {
    results: [{ status: { code: 5, message: 'bundle not found' }, trust_domain: 'one.test' }],
  })
})

test('bundle set says what is wrong with a bundle or its name', async (t) => {
  const { spindle } = await startOperator(t)
  assert.equal((await spindle('bundle set -id one.test', 'no PEM')).code, 1)
  assert.equal((await spindle('bundle set -id one.test -format spiffe', '{}')).code, 2)
  assert.equal((await spindle('bundle set -id One -path /none')).code, 2)
  assert.equal((await spindle('bundle set -id one.test')).code, 2)
  assert.equal((await spindle('bundle set')).code, 2)
})

test('federation says that it is not offered, whatever it is given', async () => {
  const { code, err } = await command(['federation', 'create', '-trustDomain', 'a.test'])
  assert.equal(code, 1)
  assert.match(err, /^spindle: federation is not offered yet; .+\n$/)
})

test('bundle set takes a PEM file with words between its certificates, and none that is cut off', async (t) => {
  const { spindle, out } = await startOperator(t)
  const pem = await out('bundle show')
  const worded = `Certificate:\n    Version: 3\n# one\n${pem}\n# two\r\n`
  assert.equal(await out('bundle set -id one.test', worded), 'bundle set.\n')
  assert.equal(await out('bundle list -id one.test'), pem)
  const twice = await spindle('bundle set -id one.test', pem + pem)
  assert.deepEqual([twice.code, twice.out], [0, 'bundle set.\n'])
  assert.match(twice.err, /^standard input: block 2 .* occurs twice\n$/)
  for (const broken of [pem.slice(0, 200), `${pem}# x\n${pem.slice(0, 200)}`]) {
    const { code, err } = await spindle('bundle set -id one.test', broken)
    assert.equal(code, 1)
    assert.match(err, /has no END line/)
  }
})
