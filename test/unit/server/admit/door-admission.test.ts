import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceError } from '@grpc/grpc-js'
import { status } from '../../../../src/runtime/grpc-status.ts'
import { createAdmission } from '../../../../src/server/admit/admission.ts'
import type { AgentFault } from '../../../../src/server/admit/admission.ts'
import { setUp } from './door-setting.ts'

const SIGN = '/spire.api.server.svid.v1.SVID/BatchNewX509SVID'

test('Door tells an agent that is banned so by its next call on the connection it has, and serves it again when it is not', async (t) => {
  let fault: AgentFault | undefined
  let asked: string | undefined
  const admit = createAdmission({
    verifier: { faultOf: () => undefined },
    standing: {
      async agentFault({ spiffeId }) {
        asked = spiffeId
        return fault
      },
      isAdmin: async () => false,
      isDownstream: async () => false,
    },
    audit: { write: () => undefined },
  })
  // The service behind this door is another one: it stands for a method of agents.
  const { client, fleet } = await setUp(t, { gate: (_, peer) => admit(SIGN, peer) })
  const agent = client(await fleet.sign('/spire/agent/x'))
  assert.equal(await agent(), fleet.id('/spire/agent/x'))
  assert.equal(asked, fleet.id('/spire/agent/x'))
  fault = 'banned'
  await assert.rejects(agent(), (failure: ServiceError) => {
    assert.equal(failure.code, status.PERMISSION_DENIED)
    assert.equal(failure.details, `authorization denied for method ${SIGN}`)
    const [bytes] = failure.metadata.get('grpc-status-details-bin')
    // The end of google.rpc.Status: Any.value is PermissionDeniedDetails { reason: AGENT_BANNED }.
    assert.deepEqual([...(bytes as Buffer).subarray(-4)], [0x12, 2, 0x08, 4])
    return true
  })
  fault = undefined
  assert.equal(await agent(), fleet.id('/spire/agent/x'))
  await assert.rejects(client()(), { code: status.PERMISSION_DENIED })
})
