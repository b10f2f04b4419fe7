import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { Metadata } from '@grpc/grpc-js'
import { StatusSchema } from '../../../../src/gen/google/rpc/status_pb.js'
import {
  PermissionDeniedDetailsSchema,
  PermissionDeniedDetails_Reason as Reason,
} from '../../../../src/gen/spire/api/types/status_pb.js'
import { SpindleError } from '../../../../src/runtime/errors.ts'
import { createAdmission } from '../../../../src/server/admit/admission.ts'
import type { AgentFault, Standing } from '../../../../src/server/admit/admission.ts'
import type { RemotePeer, ServerPeer } from '../../../../src/server/admit/peer.ts'
import { permittedPaths, rolesAllowed } from '../../../../src/server/admit/permissions.ts'
import type { Role } from '../../../../src/server/admit/permissions.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts'
import { statusOf } from '../../../../src/wire/status.ts'

const address = '10.0.0.7'
const bearer = (path: string): RemotePeer => ({
  kind: 'remote',
  address,
  svid: {
    spiffeId: parseSpiffeId(`spiffe://example.org${path}`),
    serial: '77',
    notAfter: 0,
    authorityId: '',
    chain: [],
  },
})
const PEERS: Readonly<Record<string, ServerPeer>> = {
  local: { kind: 'local', uid: 0, pid: 12 },
  anonymous: { kind: 'remote', address, svid: undefined },
  workload: bearer('/web'),
  agent: bearer('/spire/agent/x'),
  admin: bearer('/admin'),
  downstream: bearer('/downstream'),
}
const ROLES: Readonly<Record<string, readonly Role[]>> = {
  local: ['local', 'anyone'],
  anonymous: ['anyone'],
  workload: ['anyone'],
  agent: ['agent', 'anyone'],
  admin: ['admin', 'anyone'],
  downstream: ['downstream', 'anyone'],
}

const standing: Standing = {
  agentFault: async ({ spiffeId }) =>
    spiffeId === 'spiffe://example.org/spire/agent/x' ? undefined : 'not-attested',
  isAdmin: async (id) => id === 'spiffe://example.org/admin',
  isDownstream: async (id) => id === 'spiffe://example.org/downstream',
}

interface Answer {
  readonly code: number
  readonly details: string
  readonly reason: Reason | undefined
}

function setUp(parts: Partial<Standing> & { fault?: 'expired' | 'untrusted' } = {}) {
  const events: AuditEvent[] = []
  const gate = createAdmission({
    verifier: { faultOf: () => parts.fault },
    standing: { ...standing, ...parts },
    audit: { write: (event) => events.push(event) },
  })
  return {
    events,
    /** undefined: it may pass. */
    async call(path: string, peer: ServerPeer): Promise<Answer | undefined> {
      const refusal = await gate(path, peer)?.(new Metadata())
      if (refusal === undefined) return undefined
      const { code, details, metadata } = statusOf(refusal)
      const [bytes] = metadata.get('grpc-status-details-bin')
      if (bytes === undefined) return { code, details, reason: undefined }
      const status = fromBinary(StatusSchema, bytes as Buffer)
      assert.deepEqual([status.code, status.message], [code, details])
      const denied = anyUnpack(status.details[0]!, PermissionDeniedDetailsSchema)
      return { code, details, reason: denied?.reason }
    },
  }
}

const SIGN = '/spire.api.server.svid.v1.SVID/BatchNewX509SVID'
const MINT = '/spire.api.server.svid.v1.SVID/MintX509SVID'

test('Admission lets every kind of caller call what the table says, and nothing else, in SPIRE’s words', async () => {
  const paths = [...permittedPaths(), '/spire.api.server.svid.v1.SVID/Nothing']
  for (const [name, peer] of Object.entries(PEERS))
    for (const path of paths) {
      const { events, call } = setUp()
      const answer = await call(path, peer)
      const allowed = rolesAllowed(path).some((role) => ROLES[name]!.includes(role))
      assert.equal(answer === undefined, allowed, `${name} → ${path}`)
      assert.equal(events.length, allowed ? 0 : 1)
      if (answer === undefined) continue
      assert.deepEqual(
        [answer.code, answer.details],
        [7, `authorization denied for method ${path}`],
      )
      const asAgent = rolesAllowed(path).includes('agent') && peer.kind === 'remote' && peer.svid
      assert.equal(answer.reason, asAgent ? Reason.AGENT_NOT_ATTESTED : undefined, path)
    }
})

test('Admission tells an agent why it may not call as one, at the call after that became so', async () => {
  const reasons = {
    expired: Reason.AGENT_EXPIRED,
    'not-attested': Reason.AGENT_NOT_ATTESTED,
    'not-active': Reason.AGENT_NOT_ACTIVE,
    banned: Reason.AGENT_BANNED,
  }
  let fault: AgentFault | undefined
  const { events, call } = setUp({ agentFault: async () => fault })
  for (const [now, reason] of Object.entries(reasons)) {
    fault = undefined
    assert.equal(await call(SIGN, PEERS['agent']!), undefined)
    fault = now as AgentFault
    assert.equal((await call(SIGN, PEERS['agent']!))?.reason, reason)
  }
  assert.deepEqual(
    events.map((event) => event.event === 'denied' && event.reason),
    Object.keys(reasons),
  )
})

test('Admission looks at the certificate at each call: expired, an agent attests anew; untrusted, nobody is let in', async () => {
  const expired = setUp({ fault: 'expired' })
  assert.equal((await expired.call(SIGN, PEERS['agent']!))?.reason, Reason.AGENT_EXPIRED)
  for (const [fault, path, peer] of [
    ['expired', MINT, 'admin'],
    ['untrusted', MINT, 'admin'],
    ['untrusted', SIGN, 'agent'],
  ] as const) {
    const { call, events } = setUp({ fault })
    const answer = await call(path, PEERS[peer]!)
    assert.equal(answer?.code, 16)
    assert.match(answer.details, /^svid_refused: the certificate of spiffe:\/\/example\.org\//)
    assert.deepEqual(events, [
      {
        event: 'denied',
        caller: {
          kind: 'svid',
          spiffeId: (PEERS[peer] as RemotePeer).svid?.spiffeId,
          serial: '77',
          address,
        },
        method: path,
        reason: fault,
      },
    ])
  }
})

test('Admission lets nobody in while the registry cannot be asked', async () => {
  const away = (): Promise<never> =>
    Promise.reject(new SpindleError('store_unavailable', 'the database is away'))
  const { call } = setUp({ agentFault: away, isAdmin: away, isDownstream: away })
  await assert.rejects(call(SIGN, PEERS['agent']!), { code: 'store_unavailable' })
  await assert.rejects(call(MINT, PEERS['admin']!), { code: 'store_unavailable' })
  assert.equal(
    await call('/spire.api.server.bundle.v1.Bundle/GetBundle', PEERS['agent']!),
    undefined,
  )
  assert.equal(await call(MINT, PEERS['local']!), undefined)
})
