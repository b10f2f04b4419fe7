/** A rotation over real authorities, store and registry, with agents that are told what to have. */
import type { TestContext } from 'node:test'
import { AuthorityKind } from '#spindle/server/v1/rotation_pb.js'
import type { RotateProgress, RotateRequest } from '#spindle/server/v1/rotation_pb.js'
import { RotateStep } from '#spindle/server/v1/rotation_pb.js'
import type { StatusObject } from '@grpc/grpc-js'
import type { FleetView } from '../../../../../src/server/publish/fleet-view.ts'
import { createRotationService } from '../../../../../src/server/serve/rotation/service.ts'
import { createUnseen } from '../../../../../src/server/serve/rotation/unseen.ts'
import type { Way } from '../../../../../src/server/serve/service.ts'
import type { SpiffeId } from '../../../../../src/spiffe/spiffe-id.ts'
import { settle } from '../../../../fakes/clock.ts'
import { agent, id } from '../../../../fakes/store-values.ts'
import { HandCall } from '../../../agent/serve/hand-call.ts'
import { trustDomain } from '../../issue/setting.ts'
import { LOCAL } from '../called.ts'
import { createSetting as createAuthorities } from '../localauthority/setting.ts'

/** An agent as the sync service knows it; undefined: it has not said yet. */
interface Told {
  sequence: number | undefined
  x509: readonly string[]
  jwt: readonly string[]
}

export interface FakeFleet extends FleetView {
  connect(agent: SpiffeId): void
  leave(agent: SpiffeId): void
  /** It has applied the bundle of this sequence, and holds SVIDs of these authorities. */
  says(agent: SpiffeId, told: Partial<Told>): void
}

function createFakeFleet(): FakeFleet {
  const agents = new Map<SpiffeId, Told>()
  const listeners = new Set<() => void>()
  const progressed = (): void => {
    for (const listen of listeners) listen()
  }
  const fleet: FakeFleet = {
    get connected() {
      return agents.size
    },
    isConnected: (name) => agents.has(name),
    haveBundle(sequence) {
      const has = ([, told]: [SpiffeId, Told]) => (told.sequence ?? -1) >= sequence
      const all = Array.from(agents)
      return {
        have: all.filter(has).map(([name]) => name),
        behind: all.filter((one) => !has(one)).map(([name]) => name),
      }
    },
    holders: (kind, ids) =>
      new Set(
        Array.from(agents).flatMap(([name, told]) =>
          told[kind].some((one) => ids.includes(one)) ? [name] : [],
        ),
      ),
    everywhere: async () => fleet,
    onProgress(listen) {
      listeners.add(listen)
      return () => void listeners.delete(listen)
    },
    connect(name) {
      agents.set(name, { sequence: undefined, x509: [], jwt: [] })
      progressed()
    },
    leave(name) {
      agents.delete(name)
      progressed()
    },
    says(name, told) {
      Object.assign(agents.get(name)!, told)
      progressed()
    },
  }
  return fleet
}

export const A = id('/spire/agent/a')
export const B = id('/spire/agent/b')
export const { X509, JWT } = AuthorityKind

export async function createSetting(t: TestContext, config?: string) {
  const parts = await createAuthorities(t, config)
  const { clock, store, issuing, registry } = parts
  const fleet = createFakeFleet()
  const unseen = createUnseen({ clock, jwtTtlMs: 5 * 60_000 })
  const make = () => createRotationService({ ...parts, trustDomain, fleet, unseen })
  let service = make()
  const rotate = (request: Partial<RotateRequest> = {}) => {
    const call = new HandCall<unknown, RotateProgress>({
      kind: X509,
      force: false,
      allowAway: false,
      waitSeconds: 0,
      ...request,
    })
    service.addTo({
      server: {
        addService: (_: unknown, handlers: object) =>
          (handlers as { Rotate(one: unknown): void }).Rotate(call),
      } as Way['server'],
      peerOf: () => LOCAL,
    })
    return call
  }
  /** Lets time pass until the call has come to this step, or has ended. */
  const reach = async (
    call: HandCall<unknown, RotateProgress>,
    isReached: (last: RotateProgress | undefined) => boolean,
  ): Promise<RotateProgress | undefined> => {
    // What is stored takes real time, what is waited for takes the clock's.
    const giveUpAt = performance.now() + 10_000
    while (performance.now() < giveUpAt) {
      await settle()
      const last = call.written.at(-1)
      if (call.ended || call.status !== undefined || isReached(last)) return last
      if (last !== undefined && last.waitsFor !== '') await clock.advance(100)
    }
    throw new Error(`the call did not get there: ${JSON.stringify(call.written.at(-1))}`)
  }
  return {
    ...parts,
    fleet,
    unseen,
    rotate,
    reach,
    /** The server was restarted, as far as this service is concerned. */
    restart: () => void (service = make()),
    endStreams: (why: string) => service.endStreams(why),
    attest: (name: SpiffeId, lifeMs = 3_600_000) =>
      store.agents.change(name, () => ({
        ...agent('/x'),
        id: name,
        expiresAt: clock.now() + lifeMs,
      })),
    slots: (kind: 'x509' | 'jwt' = 'x509') =>
      issuing[kind].state.current.slots.map(
        ({ authorityId, status }) => `${status} ${authorityId}`,
      ),
    active: (kind: 'x509' | 'jwt' = 'x509') =>
      issuing[kind].state.current.slots.find(({ status }) => status === 'active')!.authorityId,
    sequence: () => registry.bundle(trustDomain)!.sequence,
  }
}

export const stepsOf = (call: { readonly written: readonly RotateProgress[] }): readonly string[] =>
  call.written.map(({ step }) => RotateStep[step]).filter((step, at, all) => step !== all[at - 1])

export const failure = (call: { readonly status: StatusObject | undefined }) =>
  call.status && [call.status.code, call.status.details]

export { RotateStep }
