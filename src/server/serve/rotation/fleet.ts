/** How far the agents are, of all that are attested: those that are connected, to whichever server, say so, the others are away. */
import type { SpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { AttestedAgent } from '../../../store/model.ts'
import { MOST_A_PAGE } from '../../../store/port.ts'
import type { Store } from '../../../store/port.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Registry } from '../../enroll/registry.ts'
import type { FleetReading, FleetView } from '../../publish/fleet-view.ts'

export interface Muster {
  readonly connected: number
  /** Connected, and without the bundle, or with SVIDs of an authority that is to go. */
  readonly behind: readonly SpiffeId[]
  /** Attested, and not connected to any server. */
  readonly away: readonly SpiffeId[]
}

export interface Roll {
  /** Asks what other servers know, unless it did so a moment ago. @throws SpindleError `store_unavailable` */
  look(): Promise<void>
  /** @param needs the own bundle of which sequence, and of what kind which authorities shall be needed by nobody */
  muster(needs: {
    readonly sequence: number
    readonly kind: 'x509' | 'jwt'
    readonly unneeded: readonly string[]
  }): Muster
  close(): void
}

export interface RollParts {
  readonly clock: Clock
  readonly store: Pick<Store, 'agents'>
  readonly registry: Pick<Registry, 'agent' | 'onChange'>
  readonly fleet: Pick<FleetView, 'everywhere'>
}

const LOOK_MS = 1_000

/** Reads who is attested once, and follows it from then on. @throws SpindleError `store_unavailable` */
export async function openRoll({ clock, store, registry, fleet }: RollParts): Promise<Roll> {
  const agents = new Map<SpiffeId, AttestedAgent>()
  const set = (id: SpiffeId, agent: AttestedAgent | undefined): void => {
    if (agent === undefined || agent.banned) agents.delete(id)
    else agents.set(id, agent)
  }
  const close = registry.onChange((change) => {
    for (const id of change.agents) set(id, registry.agent(id))
  })
  let fleetNow: FleetReading
  let lookedAt: number
  const look = async (): Promise<void> => {
    fleetNow = await fleet.everywhere()
    lookedAt = clock.monotonic()
  }
  try {
    await look()
    let token: string | undefined
    do {
      const page = await store.agents.list({ banned: false }, { limit: MOST_A_PAGE, token })
      for (const agent of page.items) set(agent.id, registry.agent(agent.id))
      token = page.next
    } while (token !== undefined)
  } catch (thrown) {
    close()
    throw thrown
  }
  const lives = ({ expiresAt, pending }: AttestedAgent): boolean =>
    Math.max(expiresAt, pending?.expiresAt ?? 0) > clock.now()
  return {
    close,
    async look() {
      if (clock.monotonic() - lookedAt >= LOOK_MS) await look()
    },
    muster({ sequence, kind, unneeded }) {
      const behind = new Set(fleetNow.haveBundle(sequence).behind)
      if (unneeded.length > 0)
        for (const agent of fleetNow.holders(kind, unneeded)) behind.add(agent)
      const away = Array.from(agents.values()).filter(
        (agent) => lives(agent) && !fleetNow.isConnected(agent.id),
      )
      return {
        connected: fleetNow.connected,
        behind: Array.from(behind),
        away: away.map(({ id }) => id),
      }
    },
  }
}
