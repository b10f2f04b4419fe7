import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Served } from '../../../../../src/agent/obtain/server/link.ts'
import { writeCsr } from '../../../../../src/certs/csr/write.ts'
import { generateKey } from '../../../../../src/certs/keys.ts'
import { until } from '../../../../fakes/until.ts'
import { openLink, runServer } from './setting.ts'

const pathsOf = (served: Served | undefined): string[] =>
  (served?.entries ?? []).map(({ spiffeId }) => spiffeId.replace('spiffe://example.org', '')).sort()

test('a link attests by a join token, has the entries of its node, and has them signed', async (t) => {
  const { folder, address, operator } = await runServer(t)
  const [tokenFile, file] = [join(folder, 'token'), join(folder, 'bundle.pem')]
  writeFileSync(tokenFile, `${await operator.token()}\n`)
  writeFileSync(file, await operator.bundlePem())
  const web = await operator.entry('web')
  const { link, memories } = await openLink(t, {
    config: { address, trust: { kind: 'file', file }, attest: { kind: 'join-token', tokenFile } },
  })
  // The token's own entry, which makes the agent the node, is one of them.
  const served = await until(link.served, (value) => value !== undefined)
  assert.deepEqual(pathsOf(served), ['/node', '/web'])
  assert.equal(link.state.current.fault, undefined)
  assert.equal(link.state.current.protocol, 'sync')

  const api = await operator.entry('api')
  await until(link.served, (value) => value?.entries.length === 3)
  const csr = await writeCsr(await generateKey('ec-p256'))
  const signed = await Promise.all([web, api].map((entryId) => link.signX509({ entryId, csr })))
  assert.equal(signed.length, 2)
  const jwt = await link.signJwt({ entryId: web, audience: ['a', 'b'] })
  assert.ok(jwt.token.length > 0)
  await operator.deleteEntry(web)
  await until(link.served, (value) => value?.entries.length === 2)
  assert.ok(memories.at(-1)?.svid !== undefined)
})
