/** What callers of the Workload API do and are told, counted and logged. Holds no key and no token. */
import { codeOf, ERRORS } from '../../../runtime/errors.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { Log } from '../../../telemetry/log.ts'
import { WORKLOAD_CODES, WORKLOAD_RPCS } from '../../../telemetry/metric-labels.ts'
import type { Metrics } from '../../../telemetry/metrics.ts'
import type { Seldom } from '../../../telemetry/seldom.ts'
import type { Caller } from '../../match/caller.ts'
import type { StreamRpc, WorkloadStream } from './stream.ts'
import type { UnaryRpc, WorkloadObserver } from './uses.ts'

type Code = (typeof WORKLOAD_CODES)[number]

export interface WorkloadReports extends WorkloadObserver {
  /** A call of `path` came without the security header. */
  unheard(path: string): void
}

export function createWorkloadObserver(
  metrics: Metrics,
  log: Log,
  seldom: Seldom,
): WorkloadReports {
  const refused = (rpc: StreamRpc | UnaryRpc, caller: Caller, error: unknown): void => {
    const reason = codeOf(error)
    const { id, peer } = caller.connection
    const fields = { rpc, connection: id, pid: peer.pid, uid: peer.uid, error }
    const about = `${rpc} of ${peer.uid}`
    if (reason === 'internal')
      seldom.error(about, fields, 'Workload API: call ended by a fault in Spindle')
    // What a caller sends, and that it went, is no concern of an operator's.
    else if (reason === 'no_identity' || ERRORS[reason].grpc === status.UNAVAILABLE)
      seldom.warn(about, fields, 'Workload API: call refused')
    else log.debug(fields, 'Workload API: call refused')
  }
  return {
    opened(stream) {
      metrics.workloadStreams.inc({ rpc: stream.rpc })
      if (log.enabled('debug')) log.debug(about(stream), 'Workload API: stream opened')
    },
    closed(stream, error) {
      const { rpc } = stream
      metrics.workloadStreams.dec({ rpc })
      metrics.workloadCalls.inc({ rpc, code: error === undefined ? 'CANCELLED' : codeLabel(error) })
      // Who was told something and is not refused now: the client went, or the agent goes.
      const over =
        error === undefined || (codeOf(error) === 'not_ready' && stream.sent !== undefined)
      if (!over) refused(rpc, stream.grant.caller, error)
      else if (log.enabled('debug')) log.debug(about(stream), 'Workload API: stream closed')
    },
    sent(stream, message, sinceOpenMs) {
      const { rpc } = stream
      metrics.workloadMessages.inc({ rpc })
      if (sinceOpenMs !== undefined)
        metrics.workloadTimeToFirstAnswer.observe({ rpc }, sinceOpenMs / 1000)
      const { version, spiffeIds } = message
      if (log.enabled('debug'))
        log.debug({ ...about(stream), version, spiffeIds }, 'Workload API: message sent')
    },
    answered(rpc, { caller, ms, error }) {
      metrics.workloadCalls.inc({ rpc, code: error === undefined ? 'OK' : codeLabel(error) })
      if (error === undefined) metrics.workloadTimeToFirstAnswer.observe({ rpc }, ms / 1000)
      else refused(rpc, caller, error)
    },
    unheard(path) {
      const rpc = WORKLOAD_RPCS.find((name) => path.endsWith(`/${name}`))
      if (rpc !== undefined) metrics.workloadCalls.inc({ rpc, code: 'INVALID_ARGUMENT' })
      seldom.warn(path, { path }, 'call without the header workload.spiffe.io: true refused')
    },
  }
}

function codeLabel(error: unknown): Code {
  const { grpc } = ERRORS[codeOf(error)]
  return WORKLOAD_CODES.find((name) => name !== 'OK' && status[name] === grpc) ?? 'INTERNAL'
}

function about({ rpc, grant }: WorkloadStream): Record<string, unknown> {
  const { id, peer } = grant.caller.connection
  return { rpc, connection: id, pid: peer.pid, uid: peer.uid }
}
