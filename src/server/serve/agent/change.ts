import type { SpiffeId } from '../../../spiffe/spiffe-id.ts'
import type { AttestedAgent } from '../../../store/model.ts'
import type { WordedStatus } from '../../../wire/status.ts'
import type { AgentParts } from './parts.ts'

/** What is to become of an agent, said under the store's lock of what it is then. */
interface AgentChange<Current> {
  /** undefined: it may be changed. */
  readonly refusalOf: (current: AttestedAgent | undefined) => WordedStatus | undefined
  /** undefined: it is to be there no more. */
  readonly change: (current: Current) => AttestedAgent | undefined
}

/**
 * Changes an agent unless that is refused, which a change of the store cannot say.
 * @throws WordedStatus; SpindleError as the store's
 */
export async function changeAgent(
  { agents }: AgentParts['store'],
  id: SpiffeId,
  { refusalOf, change }: AgentChange<AttestedAgent | undefined>,
): Promise<void> {
  let refusal: WordedStatus | undefined
  await agents.change(id, (current) => {
    refusal = refusalOf(current)
    return refusal === undefined ? change(current) : current
  })
  if (refusal !== undefined) throw refusal
}

/** The same of one that is there already. @throws WordedStatus, SpindleError */
export async function changeKnownAgent(
  store: AgentParts['store'],
  id: SpiffeId,
  { refusalOf, change }: AgentChange<AttestedAgent>,
): Promise<void> {
  await changeAgent(store, id, {
    refusalOf,
    change: (current) => current && change(current),
  })
}
