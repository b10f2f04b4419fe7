/** What a check is. */
import type { Role } from './scene/cast.ts'
import type { Scene } from './scene/scene.ts'
import type { Patience } from './wait.ts'

export interface Check {
  readonly name: string
  /** What it does, for those who watch. */
  readonly doing: string
  /** Whose logs say more when it fails. */
  readonly logs: readonly (Role | 'agent')[]
  /** Resolves to what was seen; throws Error with why it does not hold. */
  run(scene: Scene, patience: Patience): Promise<Seen>
}

export interface Seen {
  readonly detail: string
  /** Where the time that matters is not that of the whole check. */
  readonly ms?: number
}
