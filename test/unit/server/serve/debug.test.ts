import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Debug } from '#spire/api/server/debug/v1/debug_pb.js'
import { parseCertificate } from '../../../../src/certs/parse.ts'
import { createDebugService } from '../../../../src/server/serve/debug.ts'
import { agent, bundle, entry } from '../../../fakes/store-values.ts'
import { callsOf } from './called.ts'
import { createSetting } from './localauthority/setting.ts'

test('getInfo counts what is there, and shows the own chain up to its authority', async (t) => {
  const { store, clock, issuing, ...parts } = await createSetting(t)
  const call = callsOf(createDebugService({ ...parts, store, clock, issuing }))
  await store.entries.create([entry('/a'), entry('/b')])
  await store.agents.change(agent('/spire/agent/a').id, () => agent('/spire/agent/a'))
  // Of an operator who put there what is no certificate.
  const partner = bundle('partner.test')
  await store.bundles.change(partner.trustDomain, () => partner)
  await clock.advance(90_500)
  const { svidChain, ...info } = await call(Debug.method.getInfo, {})
  assert.deepEqual(
    [info.uptime, info.agentsCount, info.entriesCount, info.federatedBundlesCount],
    [90, 1, 2, 2],
  )
  const leaf = parseCertificate(issuing.svid.current.chain[0]!, 'the leaf')
  const root = parseCertificate(issuing.x509.state.current.anchors[0]!, 'the root')
  assert.deepEqual(
    svidChain.map(({ id, expiresAt, subject }) => [id?.path, Number(expiresAt) * 1000, subject]),
    [
      ['/spire/server', leaf.notAfter, leaf.subject],
      ['', root.notAfter, root.subject],
    ],
  )
})
