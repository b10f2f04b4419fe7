// WT-9 of docs/conformance.md.
import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cli, spindle } from './rig/command.ts'
import { testSelectors } from './rig/pair.ts'
import { createRig } from './rig/rig.ts'

const WEB = { spiffeId: 'spiffe://example.org/web', selectors: testSelectors(), hint: 'inner' }
const DB = { spiffeId: 'spiffe://example.org/db', selectors: testSelectors(), default: true }

test('spindle workload finds the agent by SPIFFE_ENDPOINT_SOCKET, shows no key, and writes the files of spire-agent', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [WEB, DB] })
  const env = { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}` }
  const folder = join(rig.folder, 'written')
  const { code, out, err } = await spindle(['workload', 'x509', '--write', folder], { env })
  assert.equal(code, 0, err)
  assert.doesNotMatch(out + err, /PRIVATE KEY/)
  assert.match(out, /^spiffe:\/\/example\.org\/db +- +svid .*\n.*\/web +inner +svid /m)
  assert.deepEqual(readdirSync(folder).toSorted(), [
    'bundle.0.pem',
    'bundle.1.pem',
    'svid.0.key',
    'svid.0.pem',
    'svid.1.key',
    'svid.1.pem',
  ])
  const leaf = new X509Certificate(readFileSync(join(folder, 'svid.0.pem')))
  const authority = new X509Certificate(readFileSync(join(folder, 'bundle.0.pem')))
  assert.match(leaf.subjectAltName ?? '', /URI:spiffe:\/\/example\.org\/db/)
  assert(leaf.checkPrivateKey(createPrivateKey(readFileSync(join(folder, 'svid.0.key')))))
  assert(leaf.verify(authority.publicKey))
  assert.equal(statSync(join(folder, 'svid.0.key')).mode & 0o777, 0o600)
})

test('spindle workload validate takes what spindle workload jwt gives, for its audience and no other', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [WEB] })
  const at = ['--socket', agent.socket]
  const token = await cli('workload', 'jwt', '--audience', 'api', '--raw', ...at)
  assert.equal(token.code, 0, token.err)
  const validate = (audience: string) =>
    spindle(['workload', 'validate', '--audience', audience, '-o', 'json', ...at], {
      input: token.out,
    })
  const valid = await validate('api')
  assert.equal(valid.code, 0, valid.err)
  const { spiffeId, claims } = JSON.parse(valid.out) as { spiffeId: string; claims: object }
  assert.equal(spiffeId, WEB.spiffeId)
  assert.deepEqual(Object.keys(claims).toSorted(), ['aud', 'exp', 'iat', 'sub'])
  const other = await validate('other')
  assert.equal(other.code, 1)
  assert.match(other.err, /audience/)
  const none = await spindle(['workload', 'validate', '--audience', 'api', ...at], { input: '' })
  assert.equal(none.code, 2)

  const folder = join(rig.folder, 'bundles')
  const bundles = await cli('workload', 'bundles', '--write', folder, ...at)
  assert.equal(bundles.code, 0, bundles.err)
  assert.match(bundles.out, /^example\.org +x509 .*\n(?:.*\n)*example\.org +jwt /m)
  const { keys } = JSON.parse(
    readFileSync(join(folder, 'bundle.example.org.jwks.json'), 'utf8'),
  ) as { keys: { kid: string }[] }
  const header = Buffer.from(token.out.split('.')[0] ?? '', 'base64url').toString()
  const { kid } = JSON.parse(header) as { kid: string }
  assert(keys.some((key) => key.kid === kid))
})

test('spindle workload ends with 4 for a caller without an entry, and with 3 where there is no agent', async (t) => {
  const rig = createRig(t)
  const agent = await rig.agent({ entries: [] })
  for (const command of [['x509'], ['jwt', '--audience', 'api'], ['bundles']]) {
    const denied = await cli('workload', ...command, '--socket', agent.socket)
    assert.equal(denied.code, 4, denied.out + denied.err)
    assert.match(denied.err, /\(no_identity\)/)
  }
  const nobody = await cli('workload', 'x509', '--socket', join(rig.folder, 'none.sock'))
  assert.equal(nobody.code, 3)
  assert.match(nobody.err, /\(unreachable\)/)
})
