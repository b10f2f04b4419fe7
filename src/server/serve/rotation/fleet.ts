/** How far the agents are, of all that are attested: those that are connected say so, the others are away. */
import type { SpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { AttestedAgent } from '../../../store/model.ts'
import { MOST_A_PAGE } from '../../../store/port.ts'
import type { Store } from '../../../store/port.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Registry } from '../../enroll/registry.ts'
import type { FleetView } from '../../publish/fleet-view.ts'

export interface Muster {
  readonly connected: number
  /** Connected, and without the bundle, or with SVIDs of an authority that is to go. */
  readonly behind: readonly SpiffeId[]
  /** Attested, and not connected to this server. */
  readonly away: readonly SpiffeId[]
}

export interface Roll {
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
  readonly fleet: Pick<FleetView, 'connected' | 'isConnected' | 'haveBundle' | 'authoritiesInUse'>
}

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
  try {
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
    muster({ sequence, kind, unneeded }) {
      const behind = new Set(fleet.haveBundle(sequence).behind)
      const inUse = fleet.authoritiesInUse()[kind]
      for (const id of unneeded) for (const agent of inUse.get(id) ?? []) behind.add(agent)
      const away = Array.from(agents.values()).filter(
        (agent) => lives(agent) && !fleet.isConnected(agent.id),
      )
      return {
        connected: fleet.connected,
        behind: Array.from(behind),
        away: away.map(({ id }) => id),
      }
    },
  }
}
