/** What SPIRE's command and SPIRE's controller manager do, done at a server of ours by grpc-go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRig } from '../e2e/rig/rig.ts'
import { good, startGoNode } from './go-server.ts'
import type { GoNode } from './go-server.ts'

const ENTRY = 'entry.v1.Entry'
const trust_domain = 'example.org'

test("SPIRE's tools by grpc-go: a batch of entries, pages of them, masks, filters, and compressed messages", async (t) => {
  const rig = createRig(t)
  const server = await rig.server()
  const node = await startGoNode(t, rig, server)
  if (node === undefined) return
  const entries = Array.from({ length: 25 }, (_, index) => ({
    spiffe_id: { trust_domain, path: `/web/${index % 5}` },
    parent_id: { trust_domain, path: '/node' },
    selectors: [{ type: 'unix', value: `uid:${index}` }],
    jwt_svid_ttl: 60,
  }))
  for (const gzip of [false, true]) {
    const made = good(await node.call('local', `${ENTRY}/BatchCreateEntry`, { entries }, { gzip }))
    const codes: number[] = made.response?.['results'].map(
      ({ status }: { status: { code?: number } }) => status.code ?? 0,
    )
    assert.deepEqual(codes, Array<number>(25).fill(gzip ? 6 : 0))
  }

  const seen: string[] = []
  let pages = 0
  for (let page_token: string | undefined = ''; page_token !== undefined; pages++) {
    const request = { page_size: 10, page_token, output_mask: { jwt_svid_ttl: true } }
    const { response } = good(await node.call('local', `${ENTRY}/ListEntries`, request))
    for (const entry of response?.['entries'] ?? []) {
      assert.deepEqual(Object.keys(entry).sort(), ['id', 'jwt_svid_ttl'])
      seen.push(entry.id)
    }
    page_token = response?.['next_page_token'] || undefined
  }
  assert.deepEqual([pages, seen.length, new Set(seen).size], [3, 25, 25])

  const filter = { by_spiffe_id: { trust_domain, path: '/web/3' } }
  const some = good(await node.call('local', `${ENTRY}/CountEntries`, { filter }))
  assert.equal(some.response?.['count'], 5)
  const none = await node.call('nobody', `${ENTRY}/ListEntries`)
  assert.equal(none.code, 'PermissionDenied')
  const bundle = good(await node.call('nobody', 'bundle.v1.Bundle/GetBundle'))
  assert.equal(bundle.response?.['trust_domain'], trust_domain)
})

const PROBED = { trust_domain, path: '/spire-controller-manager/unsupported-fields-test' }
/** Of which spire-controller-manager looks what a server keeps. */
const PROBE = {
  id: 'cluster.spire-controller-manager.unsupported-fields-test',
  parent_id: PROBED,
  spiffe_id: PROBED,
  selectors: [{ type: 'a', value: '1' }],
  x509_svid_ttl: 60,
  jwt_svid_ttl: 60,
  store_svid: true,
  hint: 'hint',
}

/** At a server's admin socket: what is answered, and the codes of a batch. */
function operator(node: GoNode) {
  const ask = async (method: string, request: object = {}) =>
    good(await node.call('local', method, request)).response!
  const codes = async (method: string, request: object): Promise<readonly number[]> => {
    const { results } = await ask(method, request)
    return results.map(({ status }: { status: { code?: number } }) => status.code ?? 0)
  }
  return { ask, codes }
}

type Listed = Readonly<Record<'id' | 'created_at' | 'revision_number', string>> & {
  readonly selectors: readonly { readonly value: string }[]
}

/** As it was declared: without what is the server's own. */
const plain = ({ id: _id, created_at: _at, revision_number: _revision, ...entry }: Listed) => entry

test("SPIRE's controller manager by grpc-go: its probe of fields, and entries that it finds as it has declared them", async (t) => {
  const rig = createRig(t)
  const node = await startGoNode(t, rig, await rig.server())
  if (node === undefined) return
  const { ask, codes } = operator(node)
  // Of two of them at once one comes second, and reads the fields of the other's entry.
  for (const code of [0, 6]) {
    const { results } = await ask(`${ENTRY}/BatchCreateEntry`, { entries: [PROBE] })
    assert.equal(results[0].status.code ?? 0, code)
    const { created_at, ...entry } = results[0].entry
    assert.deepEqual(entry, PROBE)
    assert.ok(Number(created_at) > 0)
  }
  for (const code of [0, 5])
    assert.deepEqual(await codes(`${ENTRY}/BatchDeleteEntry`, { ids: [PROBE.id] }), [code])

  const declared = Array.from({ length: 50 }, (_, index) => ({
    spiffe_id: { trust_domain, path: `/ns/shop/sa/web-${index}` },
    parent_id: { trust_domain, path: '/spire/agent/k8s_psat/cluster/3f0e' },
    selectors: [{ type: 'k8s', value: `pod-uid:${index}` }],
    dns_names: [`web-${index}`, `web_${index}.shop.svc`],
    hint: 'cluster',
  }))
  const done = Array<number>(50).fill(0)
  const list = async (filter?: object): Promise<readonly Listed[]> => {
    const answer = await ask(`${ENTRY}/ListEntries`, { page_size: 200, filter })
    const entries: readonly Listed[] = answer['entries'] ?? []
    const place = ({ selectors: [one] }: Listed) => Number(one?.value.slice('pod-uid:'.length))
    return entries.toSorted((one, other) => place(one) - place(other))
  }
  assert.deepEqual(await codes(`${ENTRY}/BatchCreateEntry`, { entries: declared }), done)
  const found = await list({ by_hint: 'cluster' })
  assert.deepEqual(found.map(plain), declared)
  assert.deepEqual(await list({ by_hint: '' }), found)

  const ids = found.map(({ id }) => id)
  const changed = declared.map((entry) => ({ ...entry, x509_svid_ttl: 600 }))
  const entries = changed.map((entry, index) => ({ ...entry, id: ids[index] }))
  assert.deepEqual(await codes(`${ENTRY}/BatchUpdateEntry`, { entries }), done)
  assert.deepEqual((await list()).map(plain), changed)
  assert.deepEqual(await codes(`${ENTRY}/BatchDeleteEntry`, { ids }), done)
  assert.deepEqual(await list(), [])
})

test("SPIRE's controller manager by grpc-go: relationships that it finds as it has declared them", async (t) => {
  const rig = createRig(t)
  const node = await startGoNode(t, rig, await rig.server())
  if (node === undefined) return
  const { ask, codes } = operator(node)
  const RELATIONSHIPS = 'trustdomain.v1.TrustDomain'
  const change = (action: 'Create' | 'Update', one: object) =>
    codes(`${RELATIONSHIPS}/Batch${action}FederationRelationship`, {
      federation_relationships: [one],
    })
  const list = async (): Promise<unknown> =>
    (await ask(`${RELATIONSHIPS}/ListFederationRelationships`, { page_size: 200 }))[
      'federation_relationships'
    ]

  const { x509_authorities } = await ask('bundle.v1.Bundle/GetBundle')
  const declared = {
    trust_domain: 'other.test',
    bundle_endpoint_url: 'https://other.test:8443/bundle',
    trust_domain_bundle: { trust_domain: 'other.test', x509_authorities, sequence_number: '7' },
  }
  const spiffe = {
    ...declared,
    https_spiffe: { endpoint_spiffe_id: 'spiffe://other.test/spire/server' },
  }
  assert.deepEqual(await change('Create', spiffe), [0])
  assert.deepEqual(await list(), [spiffe])
  // It takes one whose profile has no data for a broken one.
  const web = { ...declared, https_web: {} }
  assert.deepEqual(await change('Update', web), [0])
  assert.deepEqual(await list(), [web])
  const gone = { trust_domains: ['other.test'] }
  assert.deepEqual(await codes(`${RELATIONSHIPS}/BatchDeleteFederationRelationship`, gone), [0])
  assert.equal(await list(), undefined)
})
