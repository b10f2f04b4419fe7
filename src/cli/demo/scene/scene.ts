/** Everything the demo runs: an agent, the API, and four Envoys, in a folder of their own. */
import type { AgentProcess } from './agent.ts'
import { startAgentProcess, writeEntries } from './agent.ts'
import type { Member, Role } from './cast.ts'
import { ADMITTED, REGISTERED } from './cast.ts'
import type { Ends } from '../ends.ts'
import { startApi } from './http.ts'
import type { Sidecar } from './sidecar.ts'
import { startSidecar } from './sidecar.ts'
import type { Patience } from '../wait.ts'

export interface Scene {
  readonly folder: string
  readonly agent: AgentProcess
  readonly sidecars: Readonly<Record<Role, Sidecar>>
  /** From the start of the process to its word that it is ready. */
  readonly agentReadyMs: number
  /** From the start of the first Envoy to the last one's listeners. */
  readonly sidecarsReadyMs: number
  /** Makes these the entries of the agent. */
  register(roles: readonly Role[]): void
}

export interface SceneOptions extends Patience {
  readonly folder: string
  readonly cast: Readonly<Record<Role, Member>>
  /** Ends whatever has been started, also when the rest does not start. */
  readonly ends: Ends
  readonly say: (line: string) => void
}

export async function startScene(options: SceneOptions): Promise<Scene> {
  const { folder, cast, ends, say, clock } = options
  const membersOf = (roles: readonly Role[]): Member[] => roles.map((role) => cast[role])

  const api = await startApi()
  ends.add(() => api.stop())

  say(`starting the agent, with entries for ${REGISTERED.join(', ')}`)
  const agentStart = clock.monotonic()
  const agent = await startAgentProcess(folder, membersOf(REGISTERED), options)
  const sidecarsStart = clock.monotonic()

  const admitted = membersOf(ADMITTED).map(({ spiffeId }) => spiffeId)
  say(`starting an API behind an Envoy that lets in only ${ADMITTED.join(' and ')}`)
  const start = (role: Role, peerPort: number): Promise<Sidecar> =>
    startSidecar(cast[role], {
      ...options,
      agent,
      appPort: api.port,
      peerPort,
      ...(role === 'api' && { mayCall: admitted }),
    })
  // It calls nobody: its outbound side points at a port where nothing listens.
  const apiSidecar = await start('api', 1)
  say('starting three callers behind Envoys: client, intruder, and newcomer, which has no entry')
  const starting = (['client', 'intruder', 'newcomer'] as const).map((role) =>
    start(role, apiSidecar.inboundPort),
  )
  // All have settled before anything is ended, or one could be started after the end.
  await Promise.allSettled(starting)
  const [client, intruder, newcomer] = await Promise.all(starting)
  return {
    folder,
    agent,
    sidecars: { api: apiSidecar, client: client!, intruder: intruder!, newcomer: newcomer! },
    agentReadyMs: sidecarsStart - agentStart,
    sidecarsReadyMs: clock.monotonic() - sidecarsStart,
    register: (roles) => writeEntries(agent.entriesFile, membersOf(roles)),
  }
}
