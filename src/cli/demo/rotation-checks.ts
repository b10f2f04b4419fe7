/** Rotations while requests flow from the client to the API, each request over a TLS handshake of its own. */
import { AdminService } from '#spindle/admin/v1/admin_pb.js'
import type { Role } from './scene/cast.ts'
import { ROLES } from './scene/cast.ts'
import type { Seen } from './check.ts'
import type { Flow } from './scene/http.ts'
import { get, startFlow } from './scene/http.ts'
import type { Scene } from './scene/scene.ts'
import type { Held } from './scene/sidecar.ts'
import { held } from './scene/sidecar.ts'
import type { Patience } from './wait.ts'
import { waitFor } from './wait.ts'

const WORKERS = 4
const RENEWALS = 3
/** Requests answered before, between and after rotations, so that each lies within the flow. */
const BETWEEN = 100
const DEADLINE_MS = 10_000
/** A rotation of the CA waits for every sidecar to trust the next one. */
const ROTATION_DEADLINE_MS = 40_000

export async function svidsRotateUnderLoad(scene: Scene, patience: Patience): Promise<Seen> {
  const flowed = await whileRequestsFlow(scene, patience, async (more) => {
    for (let round = 0; round < RENEWALS; round += 1) {
      const before = await everyonesSecrets(scene)
      await scene.agent.admin.call(
        AdminService.method.renewIdentities,
        {},
        { deadlineMs: DEADLINE_MS },
      )
      for (const role of ROLES)
        await secretChanged(scene, role, patience, {
          what: 'a renewed certificate',
          changed: (now) => now.serialNumber !== before[role].serialNumber,
        })
      await more()
    }
  })
  return { detail: `${RENEWALS} × ${ROLES.length} certificates; ${flowed}` }
}

export async function caRotatesUnderLoad(scene: Scene, patience: Patience): Promise<Seen> {
  let trust = ''
  const flowed = await whileRequestsFlow(scene, patience, async () => {
    const before = await everyonesSecrets(scene)
    const { acknowledged, holding } = await scene.agent.admin.call(
      AdminService.method.rotateAuthority,
      {},
      { deadlineMs: ROTATION_DEADLINE_MS },
    )
    trust = `trusted by ${acknowledged} of ${holding} before it signed`
    if (holding !== ROLES.length || acknowledged !== holding) throw new Error(`new CA ${trust}`)
    for (const role of ROLES)
      await secretChanged(scene, role, patience, {
        what: 'a certificate of the new CA',
        changed: (now) =>
          now.serialNumber !== before[role].serialNumber &&
          now.trusted.length > before[role].trusted.length,
      })
  })
  return { detail: `${trust}; ${flowed}` }
}

/**
 * Runs `rotate` in the midst of a flow of requests; `more` waits for further ones to be answered.
 * @returns how many there were
 * @throws Error when one of them failed, or they were not one TLS handshake each
 */
async function whileRequestsFlow(
  { sidecars: { client } }: Scene,
  patience: Patience,
  rotate: (more: () => Promise<void>) => Promise<void>,
): Promise<string> {
  const handshakes = async (): Promise<number> =>
    (await client.envoy.stat('cluster.peer.ssl.handshake')) ?? 0
  const handshakesBefore = await handshakes()
  const flow = startFlow(() => get(client.outboundPort), WORKERS)
  const more = (): Promise<void> => moreAnswers(flow, patience)
  try {
    await more()
    await rotate(more)
    await more()
  } finally {
    await flow.stop()
  }
  const { answered, failed, firstFailure } = flow
  if (failed > 0)
    throw new Error(`${failed} of ${answered + failed} requests failed: ${firstFailure}`)
  const made = (await handshakes()) - handshakesBefore
  if (made < answered) throw new Error(`${answered} requests, but only ${made} TLS handshakes`)
  return `${answered} requests, ${failed} failed`
}

async function moreAnswers(flow: Flow, patience: Patience): Promise<void> {
  const goal = flow.answered + BETWEEN
  await waitFor('requests to flow', async () => flow.answered >= goal || undefined, {
    ...patience,
    withinMs: DEADLINE_MS,
  })
}

async function everyonesSecrets({ sidecars }: Scene): Promise<Readonly<Record<Role, Held>>> {
  const secrets = await Promise.all(ROLES.map(async (role) => [role, await held(sidecars[role])]))
  return Object.fromEntries(secrets) as Record<Role, Held>
}

async function secretChanged(
  { sidecars }: Scene,
  role: Role,
  patience: Patience,
  { what, changed }: { readonly what: string; readonly changed: (now: Held) => boolean },
): Promise<void> {
  await waitFor(
    `${what} at the Envoy of ${role}`,
    async () => changed(await held(sidecars[role])) || undefined,
    { ...patience, withinMs: DEADLINE_MS },
  )
}
