import type { SpiffeId, TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { RegistryChange } from '../enroll/registry.ts'
import type { OpenCall } from './sync-context.ts'

/** The open calls, by whom they are of and by the bundles of other trust domains that they are to hear of. */
export interface Calls {
  /** Of an agent, the oldest first. */
  of(agent: SpiffeId): Iterable<OpenCall>
  count(agent: SpiffeId): number
  agents(): Iterable<SpiffeId>
  all(): Iterable<OpenCall>
  readonly size: number
  add(agent: SpiffeId, call: OpenCall): void
  delete(agent: SpiffeId, call: OpenCall): void
  follow(
    call: OpenCall,
    of: { readonly before: ReadonlySet<TrustDomain>; readonly wants: ReadonlySet<TrustDomain> },
  ): void
  /** Those that a change of the registry may say something to. */
  concernedBy(change: RegistryChange, own: TrustDomain): Iterable<OpenCall>
}

export function createCalls(): Calls {
  const byAgent = new Map<SpiffeId, Set<OpenCall>>()
  const followers = new Map<TrustDomain, Set<OpenCall>>()
  let size = 0

  const unfollow = (call: OpenCall, name: TrustDomain): void => {
    const calls = followers.get(name)
    if (calls?.delete(call) === true && calls.size === 0) followers.delete(name)
  }
  function* all(): Iterable<OpenCall> {
    for (const calls of byAgent.values()) yield* calls
  }
  return {
    of: (agent) => byAgent.get(agent) ?? [],
    count: (agent) => byAgent.get(agent)?.size ?? 0,
    agents: () => byAgent.keys(),
    all,
    get size() {
      return size
    },
    add(agent, call) {
      const calls = byAgent.get(agent)
      if (calls === undefined) byAgent.set(agent, new Set([call]))
      else calls.add(call)
      size += 1
    },
    delete(agent, call) {
      const calls = byAgent.get(agent)
      if (calls?.delete(call) !== true) return
      size -= 1
      if (calls.size === 0) byAgent.delete(agent)
    },
    follow(call, { before, wants }) {
      for (const name of before) if (!wants.has(name)) unfollow(call, name)
      for (const name of wants) {
        const calls = followers.get(name)
        if (calls === undefined) followers.set(name, new Set([call]))
        else calls.add(call)
      }
    },
    *concernedBy({ serving, agents, bundles }, own) {
      for (const agent of serving) yield* byAgent.get(agent) ?? []
      for (const agent of agents) yield* byAgent.get(agent) ?? []
      for (const name of bundles) yield* name === own ? all() : (followers.get(name) ?? [])
    },
  }
}
