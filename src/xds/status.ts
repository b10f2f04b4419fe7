import type { View } from './resource.ts'
import { sendable, type NameState, type StreamState } from './subscription.ts'

/**
 * waiting: the caller is not granted the name · pending: it, or a newer one, may come any moment · sent: not answered
 * yet · acknowledged · rejected: its present content was NACKed by this caller · unanswered: the deadline passed ·
 * revoked: the client holds a value whose entry is gone.
 */
export type NameStatus =
  'waiting' | 'pending' | 'sent' | 'acknowledged' | 'rejected' | 'unanswered' | 'revoked'

/** One name on one stream, for tables and metrics. */
export interface HeldName {
  readonly name: string
  readonly status: NameStatus
  /** Version last sent; undefined when nothing was, or the name was removed since. */
  readonly sent: string | undefined
  /** Version last acknowledged: what the client works with. */
  readonly acked: string | undefined
  /** Why it is waiting, pending or revoked; '' otherwise. */
  readonly why: string
}

const NEWER = 'a newer one waits for the stream to answer or to read'

/** Every name the stream asked for or was sent. */
export function heldNames(state: StreamState, view: View): readonly HeldName[] {
  return [...state.names].map(([name, known]) => {
    const resolution = view.resolve(name)
    const why = resolution.state === 'present' ? '' : resolution.why
    const { sent, acked } = known
    if (resolution.state === 'absent') {
      const hadValue = sent !== undefined || acked !== undefined
      return { name, status: hadValue ? 'revoked' : 'waiting', sent, acked, why }
    }
    const version = resolution.state === 'present' ? resolution.resource.version : sent
    const isRefused = version !== undefined && !sendable(state, version, view)
    const status = isRefused ? 'rejected' : answered(state, name, known)
    if (status === 'acknowledged' && version !== sent)
      return { name, status: 'pending', sent, acked, why: NEWER }
    return { name, status, sent, acked, why }
  })
}

function answered(state: StreamState, name: string, known: NameState): NameStatus {
  const { sent, accepted } = known
  if (sent === undefined) return 'pending'
  if (accepted) return 'acknowledged'
  const { last } = state
  // What is neither acknowledged nor in the response in flight went unanswered before that one.
  const isAwaited =
    last?.answer === 'awaited' &&
    last.resources.some((resource) => resource.name === name && resource.version === sent)
  return isAwaited ? 'sent' : 'unanswered'
}
