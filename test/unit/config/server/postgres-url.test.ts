import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePostgresUrl } from '../../../../src/config/server/postgres-url.ts'
import { messageOf, SpindleError } from '../../../../src/runtime/errors.ts'

test('parsePostgresUrl() reads host, port, database, user and password, percent-encoded or not', () => {
  assert.deepEqual(parsePostgresUrl('postgres://spindle:p%40ss%2Fw@db.example.org:5433/registry'), {
    host: 'db.example.org',
    port: 5433,
    database: 'registry',
    user: 'spindle',
    password: 'p@ss/w',
    tls: { verify: true },
  })
  assert.deepEqual(parsePostgresUrl(' postgresql://u@[2001:db8::1]/d?sslmode=require\n'), {
    host: '2001:db8::1',
    port: 5432,
    database: 'd',
    user: 'u',
    tls: { verify: false },
  })
})

test('parsePostgresUrl() checks the server by default, but not on this host', () => {
  assert.deepEqual(parsePostgresUrl('postgres://u@db/d?sslrootcert=/etc/ca.pem').tls, {
    verify: true,
    caFile: '/etc/ca.pem',
  })
  for (const host of ['localhost', '127.0.0.1', '[::1]'])
    assert.equal(parsePostgresUrl(`postgres://u@${host}/d`).tls, undefined)
  const socket = parsePostgresUrl('postgres://u@/d?host=/run/postgresql')
  assert.deepEqual(socket, { host: '/run/postgresql', port: 5432, database: 'd', user: 'u' })
})

const FAULTS: readonly (readonly [url: string, fault: RegExp])[] = [
  ['spindle', /is no URL/],
  ['mysql://u:secret@h/d', /begins otherwise/],
  ['postgres://u:secret@h/d?connect_timeout=3', /parameter "connect_timeout"/],
  ['postgres://u:secret@/d', /names no host/],
  ['postgres://u:secret@h/d?host=/run', /two hosts/],
  ['postgres://u:secret@h', /no database/],
  ['postgres://u:secret@h/', /no database/],
  ['postgres://u:secret@h/a/b', /no database/],
  ['postgres://h/d', /no user/],
  ['postgres://u:se%zzcret@h/d', /percent-encoded/],
  ['postgres://u:secret@h/d?sslmode=prefer', /sslmode/],
  ['postgres://u:secret@h/d?sslrootcert=ca.pem', /absolute/],
  ['postgres://u:secret@/d?host=/run&sslmode=require', /Unix socket/],
  ['postgres://u:secret@h:99999/d', /is no URL/],
]

for (const [url, fault] of FAULTS)
  test(`parsePostgresUrl() refuses ${url} and does not quote it`, () => {
    assert.throws(
      () => parsePostgresUrl(url),
      (thrown) => {
        assert(thrown instanceof SpindleError && thrown.code === 'config_invalid')
        assert.match(messageOf(thrown), fault)
        assert(!messageOf(thrown).includes('secret'))
        return true
      },
    )
  })
