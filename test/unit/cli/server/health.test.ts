import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../../fakes/folder.ts'
import { command, masked, startOperator } from './setting.ts'

test('healthcheck says that a server is healthy, and ends with 3 where there is none', async (t) => {
  const { spindle, out } = await startOperator(t)
  assert.equal(await out('healthcheck -shallow'), 'Server is healthy.\n')
  assert.equal((await spindle('healthcheck -verbose')).err, 'Checking server health...\n')
  assert.deepEqual(JSON.parse(await out('healthcheck -output json')), { status: 'healthy' })
  const none = join(temporaryFolder(t), 'none.sock')
  assert.deepEqual(await command(['healthcheck', '-socketPath', none]), {
    code: 3,
    out: '',
    err: `Server is unhealthy: ${none} does not answer: there is no such socket (ENOENT)\n`,
  })
})

test('a command to a server that is not there ends with 3 and says what to do', async (t) => {
  const none = join(temporaryFolder(t), 'none.sock')
  const { code, err } = await command(['entry', 'show', '-socketPath', none])
  assert.equal(code, 3)
  assert.equal(
    err,
    `spindle: ${none} does not answer: there is no such socket (ENOENT)
Start the agent or server, or name its socket: --socket or --admin-socket of an agent, --server-socket of a server. (unreachable)
`,
  )
})

test("debug getinfo prints what SPIRE's does", async (t) => {
  const { out } = await startOperator(t)
  const text = masked(await out('debug getinfo'))
  assert.equal(
    text.replace(/\d+s$/m, '0s').replaceAll(/(Subject: +).+/g, '$1NAME'),
    `Server Debug Info:
  Uptime:                  0s
  Registered Agents:       0
  Registration Entries:    0
  Federated Bundles:       1
  SVID Chain:
    [0] SPIFFE ID:  spiffe://example.org/spire/server
        Subject:    NAME
        Expires At: INSTANT
    [1] SPIFFE ID:  spiffe://example.org
        Subject:    NAME
        Expires At: INSTANT
`,
  )
})

test("logger get, set and reset print what SPIRE's do", async (t) => {
  const { spindle, out } = await startOperator(t)
  assert.equal(await out('logger get'), 'Logger Level : error\nLaunch Level : error\n\n')
  const set = await out('logger set -level WARN')
  assert.equal(set, 'Logger Level : warning\nLaunch Level : error\n\n')
  assert.equal(await out('logger reset'), 'Logger Level : error\nLaunch Level : error\n\n')
  const { code, err } = await spindle('logger set -level loud')
  assert.equal(code, 2)
  assert.match(err, /^spindle: the value "loud" is not a valid setting\n/)
})

test('server backup copies the store to a file of its own, and replaces nothing', async (t) => {
  const { folder, spindle, out } = await startOperator(t)
  const copy = join(folder, 'copy.sqlite')
  assert.equal(
    await out(`server backup ${copy}`),
    `store copied to ${copy}
The keys of the authorities are not in it: they are in the stateDir of the server, of which there is to be a copy too.
`,
  )
  assert.equal(statSync(copy).mode & 0o777, 0o600)
  const { code, err } = await spindle(`server backup ${copy}`)
  assert.equal(code, 1)
  assert.match(err, /^spindle: .+copy\.sqlite is there already.+\n.+\(request_invalid\)\n$/)
})
