/** What SPIRE's agent does, done at a server of ours by grpc-go and go-spiffe. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addEntry, newToken } from '../e2e/rig/joining.ts'
import { createRig } from '../e2e/rig/rig.ts'
import { good, startGoNode } from './go-server.ts'
import type { GoNode } from './go-server.ts'

const AGENT = 'agent.v1.Agent'
const ENTRY = 'entry.v1.Entry'
const trust_domain = 'example.org'
const audience = ['reports']
const BATCH = 10

/** The path of the agent that joined by `token`. */
async function join(node: GoNode, token: string): Promise<string> {
  const joined = good(await node.step({ do: 'attest', token }))
  const path = `/spire/agent/join_token/${token}`
  assert.deepEqual(
    joined.svids?.map(({ id, fault }) => [id, fault]),
    [[`spiffe://example.org${path}`, '']],
  )
  assert.equal(joined.reattestable, false)
  return path
}

test('a node of grpc-go and go-spiffe joins, syncs, has SVIDs signed, renews its own, and is put out', async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  const node = await startGoNode(t, rig, server)
  if (node === undefined) return
  const token = await newToken(server, 'go')
  const ids: string[] = []
  for (let index = 0; index < BATCH; index++)
    ids.push(await addEntry(server, 'go', `/service/${index}`, { hint: `hint-${index}` }))
  await addEntry(server, 'another', '/elsewhere')
  const path = await join(node, token)
  const again = await node.step({ do: 'attest', token })
  assert.equal(again.code, 'InvalidArgument', again.message)
  good(await node.step({ do: 'bundle' }))

  const synced = good(await node.step({ do: 'entries' }))
  const services = ids.map((id, index) => `${id} /service/${index} 0`)
  const alias = synced.entries?.filter((entry) => !services.includes(entry))
  assert.deepEqual(
    alias?.map((entry) => entry.split(' ')[1]),
    ['/node/go'],
  )
  assert.equal(synced.entries?.length, BATCH + 1)

  const signed = good(await node.step({ do: 'sign', ids: [...ids, 'no-such-entry'] }))
  assert.deepEqual(
    signed.svids?.slice(0, BATCH).map(({ id, fault, hint }) => [id, fault, hint]),
    ids.map((_, index) => [`spiffe://example.org/service/${index}`, '', `hint-${index}`]),
  )
  assert.match(signed.svids?.[BATCH]?.fault ?? '', /^5 entry not found/)
  const jwt = good(await node.step({ do: 'token', ids: ids.slice(0, 1), audience }))
  assert.equal(jwt.svids?.[0]?.id, 'spiffe://example.org/service/0')

  const status = { current_bundle_serial: '1', agent_version: '1.15.3' }
  good(await node.call('agent', `${AGENT}/PostStatus`, status))
  const shown = good(await node.call('local', `${AGENT}/GetAgent`, { id: { trust_domain, path } }))
  assert.equal(shown.response?.['agent_version'], '1.15.3')

  good(await node.step({ do: 'renew' }))
  good(await node.call('before', `${ENTRY}/GetAuthorizedEntries`))
  good(await node.call('agent', `${ENTRY}/GetAuthorizedEntries`))
  const late = await node.call('before', `${ENTRY}/GetAuthorizedEntries`)
  assert.deepEqual([late.code, late.reason], ['PermissionDenied', 'AGENT_NOT_ACTIVE'])

  good(await node.call('local', `${AGENT}/BanAgent`, { id: { trust_domain, path } }))
  for (const method of ['entry.v1.Entry/GetAuthorizedEntries', 'svid.v1.SVID/BatchNewX509SVID']) {
    const banned = await node.call('agent', method)
    assert.deepEqual([banned.code, banned.reason], ['PermissionDenied', 'AGENT_BANNED'])
    assert.equal(banned.message, `authorization denied for method /spire.api.server.${method}`)
  }
  const stream = await node.step({ do: 'entries' })
  assert.deepEqual([stream.code, stream.reason], ['PermissionDenied', 'AGENT_BANNED'])
  good(await node.call('local', `${AGENT}/DeleteAgent`, { id: { trust_domain, path } }))
  const gone = await node.call('agent', `${ENTRY}/GetAuthorizedEntries`)
  assert.deepEqual([gone.code, gone.reason], ['PermissionDenied', 'AGENT_NOT_ATTESTED'])
})

test('a node of grpc-go has more entries than fit a message: revisions first, and those it asks for by ID', async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  const node = await startGoNode(t, rig, server)
  if (node === undefined) return
  await join(node, await newToken(server, 'many'))
  const entries = Array.from({ length: 1200 }, (_, index) => ({
    id: `entry-${index}`,
    spiffe_id: { trust_domain, path: `/many/${index}` },
    parent_id: { trust_domain, path: '/node/many' },
    selectors: [{ type: 'unix', value: `uid:${index}` }],
  }))
  good(await node.call('local', `${ENTRY}/BatchCreateEntry`, { entries }))
  const all = good(await node.step({ do: 'entries' }))
  assert.deepEqual([all.entries?.length, all.rounds], [1201, 6])
  const ids = ['entry-7', 'entry-700', 'entry-none', 'entry-1100']
  const some = good(await node.step({ do: 'entries', ids }))
  assert.deepEqual(some.entries, [
    'entry-1100 /many/1100 0',
    'entry-7 /many/7 0',
    'entry-700 /many/700 0',
  ])
})

test('a node of grpc-go asks for what it may not have, or does not say what it wants: each is refused for itself, in SPIRE’s words', async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  const node = await startGoNode(t, rig, server)
  if (node === undefined) return
  await join(node, await newToken(server, 'wrong'))
  const entry_id = await addEntry(server, 'wrong', '/mine')
  const foreign = await addEntry(server, 'another', '/theirs')
  const SVID = 'svid.v1.SVID'
  const csr = Buffer.from('none').toString('base64')
  const batch = { params: [{}, { entry_id }, { entry_id, csr }, { entry_id: foreign, csr }] }
  const { response } = good(await node.call('agent', `${SVID}/BatchNewX509SVID`, batch))
  assert.deepEqual(
    response?.['results'].map(
      ({ status: { code, message } }: { status: { code: number; message: string } }) =>
        `${code} ${message.split(':')[0]}`,
    ),
    [
      '3 missing entry ID',
      '3 missing CSR',
      '3 malformed CSR',
      '5 entry not found or not authorized',
    ],
  )
  const many = { params: Array.from({ length: 501 }, () => ({ entry_id })) }
  const own = { trust_domain }
  const agent_version = 'x'.repeat(256)
  const refusals: readonly (readonly [method: string, request: object, said: RegExp])[] = [
    [`${SVID}/BatchNewX509SVID`, {}, /^InvalidArgument missing parameters$/],
    [`${SVID}/BatchNewX509SVID`, many, /^ResourceExhausted .*rate \(501\) exceeds burst size/],
    [`${SVID}/NewJWTSVID`, { entry_id }, /^InvalidArgument at least one audience is required$/],
    [
      `${SVID}/NewJWTSVID`,
      { entry_id: foreign, audience },
      /^NotFound entry not found or not auth/,
    ],
    [`${SVID}/MintX509SVID`, {}, /^PermissionDenied authorization denied for method /],
    [`${SVID}/BatchNewWITSVID`, {}, /^Unimplemented /],
    [
      'bundle.v1.Bundle/GetFederatedBundle',
      own,
      /^InvalidArgument getting a federated bundle for /,
    ],
    ['bundle.v1.Bundle/GetFederatedBundle', { trust_domain: 'none.test' }, /^NotFound bundle not/],
    [`${AGENT}/PostStatus`, { agent_version }, /^InvalidArgument agent version is too long/],
    [`${AGENT}/RenewAgent`, {}, /^InvalidArgument params cannot be nil$/],
    [`${AGENT}/RenewAgent`, { params: { csr } }, /^InvalidArgument failed to parse CSR: /],
  ]
  for (const [method, request, said] of refusals) {
    const { code, message } = await node.call('agent', method, request)
    assert.match(`${code} ${message}`, said, method)
  }
})
