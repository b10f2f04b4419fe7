/** What must hold, one check each, in the order a stranger would ask. */
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import type { Check, Seen } from './check.ts'
import { REGISTERED, ROLES, selectorValue } from './scene/cast.ts'
import { get } from './scene/http.ts'
import { alertWithoutCertificate } from './scene/no-certificate.ts'
import { time } from './report.ts'
import { caRotatesUnderLoad, svidsRotateUnderLoad } from './rotation-checks.ts'
import { held } from './scene/sidecar.ts'
import type { Sidecar } from './scene/sidecar.ts'
import type { Patience } from './wait.ts'
import { waitFor } from './wait.ts'

export const START = 'agent and Envoys start'

const DEADLINE_MS = 10_000
/** Stats of an Envoy's listeners are named by the address they were configured with. */
const INBOUND_SSL = 'listener.127.0.0.1_0.ssl'

export const CHECKS: readonly Check[] = [
  {
    name: START,
    doing: 'asking the agent whether it is ready',
    logs: ['agent'],
    async run({ agent, agentReadyMs, sidecarsReadyMs }) {
      const { status, body } = await get(Number(agent.httpAddress.split(':').pop()), '/ready')
      if (status !== 200) throw new Error(`/ready says ${status} ${body}`)
      const took = `the agent in ${time(agentReadyMs)}, four Envoys in ${time(sidecarsReadyMs)}`
      const { getStatus } = AdminService.method
      const { peerCredentials } = await agent.admin.call(getStatus, {}, { deadlineMs: DEADLINE_MS })
      const weaker =
        peerCredentials === 'peer-pidfd'
          ? ''
          : ` (older kernel: callers held by ${peerCredentials})`
      return { detail: took + weaker, ms: agentReadyMs + sidecarsReadyMs }
    },
  },
  {
    name: 'each Envoy has its own identity',
    doing: 'reading from each Envoy which certificate it was given',
    logs: ['agent', ...REGISTERED],
    async run({ sidecars }, patience) {
      for (const role of REGISTERED) await identityOf(sidecars[role], patience)
      const members = REGISTERED.map((role) => sidecars[role].member)
      const kind = members[0]?.uid === undefined ? 'program path' : 'uid'
      const told = members.map((each) =>
        kind === 'uid' ? `${each.role} ${selectorValue(each)}` : each.role,
      )
      return { detail: `known by ${kind} alone: ${told.join(', ')}` }
    },
  },
  {
    name: 'valid client gets OK',
    doing: 'client → API, through both Envoys',
    logs: ['agent', 'api', 'client'],
    async run({ sidecars: { client } }, patience) {
      await answersOk(client, patience)
      const tls = await client.envoy.stat('cluster.peer.ssl.versions.TLSv1.3')
      if (!tls) throw new Error('the client got OK, but not over TLS 1.3')
      return { detail: '200 OK over mutual TLS 1.3' }
    },
  },
  {
    name: 'invalid client is refused',
    doing: 'intruder → API: a valid certificate of the same CA, but not an allowed SPIFFE ID',
    logs: ['api', 'intruder'],
    run: ({ sidecars: { api, intruder } }, patience) => isRefused(api, intruder, patience),
  },
  {
    name: 'caller without certificate is refused',
    doing: "calling the API's Envoy without any certificate",
    logs: ['api'],
    async run({ sidecars: { api } }, patience) {
      const deadline = { ...patience, withinMs: DEADLINE_MS }
      const alert = await alertWithoutCertificate(api.inboundPort, deadline)
      return { detail: `TLS alert: ${alert}` }
    },
  },
  {
    name: 'client without entry gets nothing',
    doing: 'newcomer → API: its Envoy runs, but no entry names it',
    logs: ['agent', 'newcomer'],
    async run({ sidecars: { newcomer } }) {
      const { spiffeId, trusted } = await held(newcomer)
      if (spiffeId !== undefined || trusted.length > 0)
        throw new Error(`the newcomer was given ${spiffeId ?? 'a bundle'}`)
      const { status } = await get(newcomer.outboundPort)
      if (status !== 503) throw new Error(`the newcomer got ${status}`)
      return { detail: '503; its Envoy was given neither certificate nor CA' }
    },
  },
  {
    name: 'its entry is added: it gets OK',
    doing: 'adding an entry for the newcomer to entries.yaml',
    logs: ['agent', 'newcomer', 'api'],
    async run({ sidecars: { newcomer }, register }, patience) {
      const start = patience.clock.monotonic()
      register(ROLES)
      await answersOk(newcomer, patience)
      const ms = patience.clock.monotonic() - start
      await identityOf(newcomer, patience)
      return { detail: 'from saving entries.yaml to 200 OK', ms }
    },
  },
  {
    name: 'SVIDs rotate under load',
    doing: 'renewing every certificate, three times, while requests flow',
    logs: ['agent', 'client', 'api'],
    run: svidsRotateUnderLoad,
  },
  {
    name: 'CA rotates under load',
    doing: 'replacing the CA that signs them, while requests flow',
    logs: ['agent', 'client', 'api'],
    run: caRotatesUnderLoad,
  },
  {
    name: 'and who may call is as before',
    doing: 'calling once more as client, newcomer and intruder',
    logs: ['api', 'client', 'intruder', 'newcomer'],
    async run({ sidecars: { api, client, intruder, newcomer } }, patience) {
      await answersOk(client, patience)
      await answersOk(newcomer, patience)
      await isRefused(api, intruder, patience)
      return { detail: 'client and newcomer get OK, the intruder is refused' }
    },
  },
]

/** Waits until the Envoy uses a certificate, which must be its member's. */
async function identityOf(sidecar: Sidecar, patience: Patience): Promise<void> {
  const { role, spiffeId: expected } = sidecar.member
  const spiffeId = await waitFor(
    `a certificate at the Envoy of ${role}`,
    async () => (await held(sidecar)).spiffeId,
    { ...patience, withinMs: DEADLINE_MS },
  )
  if (spiffeId !== expected) throw new Error(`the Envoy of ${role} was given ${spiffeId}`)
}

async function answersOk({ outboundPort, member }: Sidecar, patience: Patience): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const { status, body } = await get(outboundPort)
    if (status !== 200) throw new Error(`${status} ${body}`)
    return body === 'OK' ? true : undefined
  }
  await waitFor(`OK for ${member.role}`, look, { ...patience, withinMs: DEADLINE_MS })
}

async function isRefused(api: Sidecar, caller: Sidecar, patience: Patience): Promise<Seen> {
  const stat = `${INBOUND_SSL}.fail_verify_san`
  const before = (await api.envoy.stat(stat)) ?? 0
  const { status } = await get(caller.outboundPort)
  if (status !== 503) throw new Error(`${caller.member.role} got ${status}`)
  const { spiffeId } = await held(caller)
  if (spiffeId !== caller.member.spiffeId)
    throw new Error(`${caller.member.role} was refused, but for want of its own identity`)
  const after = await waitFor(
    `${stat} of the API's Envoy to count it`,
    async () => {
      const now = (await api.envoy.stat(stat)) ?? 0
      return now > before ? now : undefined
    },
    { ...patience, withinMs: DEADLINE_MS },
  )
  return { detail: `503; ssl.fail_verify_san of the API's Envoy: ${before} → ${after}` }
}
