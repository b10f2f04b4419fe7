/** Who uses the Workload API, and how: for people. */
import type { Clock } from '../../../runtime/clock.ts'
import { messageOf } from '../../../runtime/errors.ts'
import type { Caller } from '../../match/caller.ts'
import type { StreamRpc, WorkloadStream, WorkloadStreamObserver } from './stream.ts'

/** Those that answer once. */
export type UnaryRpc = 'FetchJWTSVID' | 'ValidateJWTSVID'

/** What the service reports; the metrics and the log are behind it. */
export interface WorkloadObserver extends WorkloadStreamObserver {
  /** `error`: what it was answered with, where that was no answer. */
  answered(rpc: UnaryRpc, call: AnsweredCall): void
}

export interface AnsweredCall {
  readonly caller: Caller
  readonly ms: number
  readonly error: unknown
}

/** What a connection made of one method. Instants are ms since the epoch. */
export interface Use {
  readonly streams: ReadonlySet<WorkloadStream>
  /** Answers and messages sent. */
  readonly answers: number
  readonly answeredAt: number | undefined
  /** How the last call ended, where that was an error. */
  readonly refusal: { readonly why: string; readonly at: number } | undefined
}

export type Uses = ReadonlyMap<StreamRpc | UnaryRpc, Use>

interface Open extends Use {
  readonly streams: Set<WorkloadStream>
  answers: number
  answeredAt: number | undefined
  refusal: { readonly why: string; readonly at: number } | undefined
}

/** `all`: by the caller, for as long as its connection is open. */
export function trackUses(
  observer: WorkloadObserver,
  clock: Clock,
): WorkloadObserver & { readonly all: ReadonlyMap<Caller, Uses> } {
  const all = new Map<Caller, Map<StreamRpc | UnaryRpc, Open>>()
  const useOf = (caller: Caller, rpc: StreamRpc | UnaryRpc): Open => {
    let uses = all.get(caller)
    if (uses === undefined) {
      uses = new Map()
      all.set(caller, uses)
      caller.connection.onClose(() => void all.delete(caller))
    }
    let use = uses.get(rpc)
    if (use === undefined) {
      use = { streams: new Set(), answers: 0, answeredAt: undefined, refusal: undefined }
      uses.set(rpc, use)
    }
    return use
  }
  const answered = (use: Open): void => {
    use.answers += 1
    use.answeredAt = clock.now()
    use.refusal = undefined
  }
  const refused = (use: Open, error: unknown): void => {
    use.refusal = { why: messageOf(error), at: clock.now() }
  }
  return {
    all,
    opened(stream) {
      useOf(stream.grant.caller, stream.rpc).streams.add(stream)
      observer.opened(stream)
    },
    sent(stream, message, sinceOpenMs) {
      answered(useOf(stream.grant.caller, stream.rpc))
      observer.sent(stream, message, sinceOpenMs)
    },
    closed(stream, error) {
      const use = useOf(stream.grant.caller, stream.rpc)
      use.streams.delete(stream)
      if (error !== undefined) refused(use, error)
      observer.closed(stream, error)
    },
    answered(rpc, call) {
      const use = useOf(call.caller, rpc)
      if (call.error === undefined) answered(use)
      else refused(use, call.error)
      observer.answered(rpc, call)
    },
  }
}
