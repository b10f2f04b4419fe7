import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeIn } from '../../../fakes/folder.ts'
import { masked, startOperator } from './setting.ts'

/** As SPIRE's own examples of -data are written. */
const DATA = {
  entries: [
    {
      entry_id: 'blog',
      selectors: [{ type: 'unix', value: 'uid:1111' }],
      spiffe_id: 'spiffe://example.org/Blog',
      parent_id: 'spiffe://example.org/host',
      ttl: 200,
      admin: true,
    },
    {
      selectors: [{ type: 'unix', value: 'uid:1111' }],
      spiffe_id: 'spiffe://example.org/Database',
      parent_id: 'spiffe://example.org/host',
      x509_svid_ttl: 300,
      dns_names: null,
      entryExpiry: 1_900_000_000,
    },
  ],
}

test("entry create, update and delete take SPIRE's files, from standard input too", async (t) => {
  const { folder, out } = await startOperator(t)
  const file = writeIn(folder, 'data.json', JSON.stringify(DATA))
  const made = await out(`entry create -data ${file}`)
  assert.deepEqual(made.match(/^(?:X509-SVID TTL|Expiration).*/gm), [
    'X509-SVID TTL    : 200',
    'X509-SVID TTL    : 300',
    'Expiration time  : 2030-03-17 17:46:40 +0000 UTC',
  ])
  const [blog] = DATA.entries
  const changed = { entries: [{ ...blog, hint: 'new' }] }
  assert.match(await out('entry update -data -', JSON.stringify(changed)), /^Hint {13}: new$/m)
  assert.equal(
    await out('entry delete -file -', '{"Ids": ["blog"]}'),
    'Deleted entry with ID: blog\n\n\nDeleted 1 entries successfully\n',
  )
})

test('entry create -data names every fault of the file at once', async (t) => {
  const { spindle } = await startOperator(t)
  const broken = [
    { spiffe_id: 'no id', parent_id: 'spiffe://example.org/host', selectors: [], hnt: 'x' },
    { selectors: ['unix:uid:1'], x509_svid_ttl: 'soon', spiffe_id: 'spiffe://example.org/a' },
  ]
  const { code, err } = await spindle('entry create -data -', JSON.stringify({ entries: broken }))
  assert.equal(code, 2)
  assert.deepEqual(err.split('\n').slice(0, 6), [
    'spindle: standard input: 5 faults',
    '  entries[0].spiffe_id: "no id" does not begin with spiffe:// (SPIFFE-ID 2)',
    '  entries[0].selectors: is an empty list; allowed: a list of selectors, at least one',
    '  entries[0].hnt: is not a key that is known here; did you mean hint?',
    '  entries[1].parent_id: is missing',
    '  entries[1].x509_svid_ttl: is "soon"; allowed: seconds, or a duration',
  ])
})

test('entry export writes what entry import and entry create -data read, as JSON and as YAML', async (t) => {
  const { out } = await startOperator(t)
  await out('entry create -data -', JSON.stringify(DATA))
  const json = await out('entry export')
  const yaml = await out('entry export -o yaml')
  assert.deepEqual(
    (JSON.parse(json) as { entries: object[] }).entries.map((entry) => ({
      ...entry,
      entry_id: undefined,
    })),
    [
      {
        entry_id: undefined,
        spiffe_id: 'spiffe://example.org/Blog',
        parent_id: 'spiffe://example.org/host',
        selectors: [{ type: 'unix', value: 'uid:1111' }],
        x509_svid_ttl: 200,
        admin: true,
      },
      {
        entry_id: undefined,
        spiffe_id: 'spiffe://example.org/Database',
        parent_id: 'spiffe://example.org/host',
        selectors: [{ type: 'unix', value: 'uid:1111' }],
        x509_svid_ttl: 300,
        entryExpiry: 1_900_000_000,
      },
    ],
  )
  for (const file of [json, yaml]) {
    const other = await startOperator(t)
    assert.match(await other.out('entry import -', file), /^2 created, 0 there already, 0 failed$/m)
    assert.equal(await other.out('entry export'), json)
    assert.match(await other.out('entry import -', file), /^0 created, 2 there already, 0 failed$/m)
    await other.out(['entry', 'delete', '-file', '-'], '{"ids": ["blog"]}')
    assert.match(
      await other.out('entry create -data -', JSON.stringify({ entries: [DATA.entries[0]] })),
      /^Entry ID {9}: blog$/m,
    )
  }
})

test("entry import reads the JSON that entry show prints, SPIRE's too", async (t) => {
  const { out } = await startOperator(t)
  await out('entry create -data -', JSON.stringify(DATA))
  const shown = await out('entry show -output json')
  const other = await startOperator(t)
  assert.match(await other.out('entry import -', shown), /^2 created, 0 there already, 0 failed$/m)
  assert.equal(await other.out('entry export'), await out('entry export'))
})

test('entry import says what is there with other settings, and what it could not make', async (t) => {
  const { spindle } = await startOperator(t)
  await spindle('entry create -data -', JSON.stringify(DATA))
  const [blog] = DATA.entries
  const changed = [
    { ...blog, ttl: 100, hint: 'x' },
    { ...blog, spiffe_id: 'spiffe://elsewhere.org/a', entry_id: 'e' },
  ]
  const ran = await spindle('entry import -', JSON.stringify({ entries: changed }))
  assert.equal(ran.code, 1)
  assert.equal(
    ran.out,
    `there    blog  spiffe://example.org/Blog  but with another x509_svid_ttl, hint
0 created, 1 there already, 1 failed
`,
  )
  assert.match(
    ran.err,
    /^entries\[1\] spiffe:\/\/elsewhere\.org\/a: code: InvalidArgument, msg: ".+"\nError: failed to import one or more entries\n$/,
  )
})

test('entry import takes the entries file of an agent alone, with the parent that is named', async (t) => {
  const { out, spindle } = await startOperator(t)
  const file = `entries:
  - spiffeId: spiffe://example.org/web
    selectors: [unix:uid:1001]
    x509SvidTtl: 30m
    default: true
`
  assert.equal((await spindle('entry import -', file)).code, 2)
  await out('entry import - --parent-id spiffe://example.org/host', file)
  const shown = await out('entry show')
  assert.equal(
    masked(shown),
    `Found 1 entry
Entry ID         : UUID
SPIFFE ID        : spiffe://example.org/web
Parent ID        : spiffe://example.org/host
Revision         : 0
X509-SVID TTL    : 1800
JWT-SVID TTL     : default
Selector         : unix:uid:1001

`,
  )
})

test('files that are named with a command may be pipes, and /dev/stdin is standard input', async (t) => {
  const { folder, out } = await startOperator(t)
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const data = JSON.stringify(DATA)
  const [made] = await Promise.all([out(`entry import ${fifo}`), writeFile(fifo, data)])
  assert.match(made, /^2 created, 0 there already, 0 failed$/m)
  assert.match(
    await out('entry import /dev/stdin', data),
    /^0 created, 2 there already, 0 failed$/m,
  )
  const [deleted] = await Promise.all([
    out(`entry delete -file ${fifo}`),
    writeFile(fifo, '{"ids": ["blog"]}'),
  ])
  assert.match(deleted, /^Deleted entry with ID: blog$/m)
  const pem = await out('bundle show')
  const [set] = await Promise.all([
    out(`bundle set -id one.test -path ${fifo}`),
    writeFile(fifo, pem),
  ])
  assert.equal(set, 'bundle set.\n')
  assert.equal(await out('bundle set -id one.test -path -', pem), 'bundle set.\n')
})
