import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masked, startOperator } from './setting.ts'

const WEB = 'entry create -spiffeID spiffe://example.org/web -parentID spiffe://example.org/host'
const WEB_TEXT = `Entry ID         : UUID
SPIFFE ID        : spiffe://example.org/web
Parent ID        : spiffe://example.org/host
Revision         : 0
X509-SVID TTL    : default
JWT-SVID TTL     : default
Selector         : unix:uid:1001

`

test("entry create, show, count, update and delete print what SPIRE's do", async (t) => {
  const { spindle, out } = await startOperator(t)
  assert.equal(masked(await out(`${WEB} -selector unix:uid:1001`)), WEB_TEXT)
  const full =
    'entry create -entryID db -spiffeID spiffe://example.org/db -node -selector unix:uid:2 -selector unix:gid:3 ' +
    '-x509SVIDTTL 600 -jwtSVIDTTL 60 -dns db.example.org -entryExpiry 1900000000 -admin -downstream=true ' +
    '-storeSVID=false -hint internal'
  const dbText = `Entry ID         : db
SPIFFE ID        : spiffe://example.org/db
Parent ID        : spiffe://example.org/spire/server
Revision         : 0
Downstream       : true
X509-SVID TTL    : 600
JWT-SVID TTL     : 60
Expiration time  : 2030-03-17 17:46:40 +0000 UTC
Selector         : unix:gid:3
Selector         : unix:uid:2
DNS name         : db.example.org
Admin            : true
Hint             : internal

`
  assert.equal(await out(full), dbText)
  assert.equal(
    masked(await out('entry show')),
    `Found 2 entries\n${masked(dbText)}${WEB_TEXT}`.replace(
      '2030-03-17 17:46:40 +0000 UTC',
      'INSTANT',
    ),
  )
  assert.equal(await out('entry show -entryID db'), `Found 1 entry\n${dbText}`)
  assert.equal(await out('entry show -spiffeID spiffe://example.org/none'), 'Found 0 entries\n')
  assert.equal(await out('entry count'), '2 registration entries\n')
  assert.equal(await out('entry count -downstream'), '1 registration entry\n')
  const updated = await out(
    'entry update -entryID db -spiffeID spiffe://example.org/db -parentID spiffe://example.org/host -selector unix:uid:2',
  )
  assert.equal(
    updated,
    `Entry ID         : db
SPIFFE ID        : spiffe://example.org/db
Parent ID        : spiffe://example.org/host
Revision         : 1
X509-SVID TTL    : default
JWT-SVID TTL     : default
Selector         : unix:uid:2

`,
  )
  assert.equal(
    await out('entry delete -entryID db'),
    'Deleted entry with ID: db\n\n\nDeleted 1 entries successfully\n',
  )
  assert.deepEqual(await spindle('entry delete -entryID db'), {
    code: 1,
    out: '\n\nFailed to delete 1 entries\n',
    err: 'Failed to delete entry with ID db (code: NotFound, msg: "entry not found")\nError: failed to delete one or more entries\n',
  })
})

test('entry create of a similar entry fails, says which is there, and exits with 1', async (t) => {
  const { spindle, out } = await startOperator(t)
  await out(`${WEB} -selector unix:uid:1001`)
  const { code, out: printed, err } = await spindle(`${WEB} -selector unix:uid:1001`)
  assert.deepEqual(
    [code, printed, masked(err)],
    [
      1,
      '',
      `Failed to create the following entry (code: AlreadyExists, msg: "similar entry already exists"):
${WEB_TEXT.replace('UUID', '(none)')}It is there as Entry ID : UUID

Error: failed to create one or more entries
`,
    ],
  )
})

test('entry show matches selectors as it is told, and shows what is asked for', async (t) => {
  const { out } = await startOperator(t)
  await out(`${WEB} -selector unix:uid:1 -entryID one`)
  await out(`${WEB} -selector unix:uid:1 -selector unix:gid:2 -entryID both`)
  const ids = async (flags: string): Promise<readonly string[]> => {
    const { entries } = JSON.parse(await out(`entry show -output json ${flags}`)) as {
      entries: { id: string }[]
    }
    return entries.map(({ id }) => id).sort()
  }
  assert.deepEqual(await ids('-selector unix:uid:1'), ['both', 'one'])
  assert.deepEqual(await ids('-selector unix:uid:1 -matchSelectorsOn exact'), ['one'])
  assert.deepEqual(await ids('-selector unix:gid:2 -selector unix:uid:9 -matchSelectorsOn any'), [
    'both',
  ])
  assert.deepEqual(await ids('-selector unix:uid:1 -matchSelectorsOn subset'), ['one'])
  assert.deepEqual(await ids('-parentID spiffe://example.org/other'), [])
})

test("entry show -output json has the API's names of fields", async (t) => {
  const { out } = await startOperator(t)
  await out(`${WEB} -selector unix:uid:1001 -entryID web`)
  const { entries } = JSON.parse(await out('entry show -output json')) as { entries: object[] }
  const [entry] = entries as { created_at: string }[]
  assert.deepEqual(entry, {
    id: 'web',
    spiffe_id: { trust_domain: 'example.org', path: '/web' },
    parent_id: { trust_domain: 'example.org', path: '/host' },
    selectors: [{ type: 'unix', value: 'uid:1001' }],
    x509_svid_ttl: 0,
    federates_with: [],
    admin: false,
    downstream: false,
    expires_at: '0',
    dns_names: [],
    revision_number: '0',
    store_svid: false,
    jwt_svid_ttl: 0,
    hint: '',
    created_at: entry?.created_at,
  })
})

test('entry create and show go through more entries than a batch or a page has', async (t) => {
  const { out } = await startOperator(t)
  const entries = Array.from({ length: 501 }, (_, index) => ({
    spiffe_id: `spiffe://example.org/n${index}`,
    parent_id: 'spiffe://example.org/host',
    selectors: [{ type: 'unix', value: 'uid:1' }],
  }))
  const made = await out('entry create -data -', JSON.stringify({ entries }))
  assert.equal(made.match(/^SPIFFE ID/gm)?.length, 501)
  assert.match(await out('entry show'), /^Found 501 entries\n/)
})

test('entry create without what it needs is a usage error', async (t) => {
  const { spindle } = await startOperator(t)
  for (const [line, missing] of [
    [
      'entry create -spiffeID spiffe://example.org/a -selector unix:uid:1',
      '--parent-id, or --node',
    ],
    ['entry create -parentID spiffe://example.org/a -selector unix:uid:1', '--spiffe-id'],
    ['entry update -spiffeID spiffe://example.org/a -selector unix:uid:1', '--entry-id'],
    ['entry delete', '--entry-id'],
  ] as const) {
    const { code, err } = await spindle(line)
    assert.equal(code, 2)
    assert.equal(err.split('\n')[0], `spindle: ${missing} is missing`)
  }
})
