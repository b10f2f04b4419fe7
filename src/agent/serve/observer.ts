/** What streams do, counted and logged. A NACK is told by its class alone: its text may hold the private key. */
import { codeOf } from '../../runtime/errors.ts'
import type { Log, LogFields } from '../../telemetry/log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Seldom } from '../../telemetry/seldom.ts'
import type { Note } from '../../xds/message.ts'
import type { Sidecar } from './sidecar.ts'
import type { SdsStream, StreamObserver } from './stream.ts'

/** `ownPid`: of the agent, whose health checks ask for a name that nobody has; that is no request refused. */
export function createStreamObserver(
  metrics: Metrics,
  log: Log,
  { ownPid, seldom }: { readonly ownPid: number; readonly seldom: Seldom },
): StreamObserver {
  const streamsOf = new Map<Sidecar, number>()

  const countStream = (sidecar: Sidecar, by: 1 | -1): void => {
    const count = (streamsOf.get(sidecar) ?? 0) + by
    if (count > 0) streamsOf.set(sidecar, count)
    else streamsOf.delete(sidecar)
    metrics.sidecars.set(streamsOf.size)
  }

  return {
    opened(stream) {
      countStream(stream.sidecar, 1)
      metrics.sdsStreams.inc({ variant: stream.variant })
      if (log.enabled('debug')) log.debug(about(stream), 'stream opened')
    },
    closed(stream) {
      countStream(stream.sidecar, -1)
      metrics.sdsStreams.dec({ variant: stream.variant })
      if (log.enabled('debug')) log.debug(about(stream), 'stream closed')
    },
    pushed(stream, resource, sinceOpenMs) {
      const { variant } = stream
      const { name, kind, version } = resource
      metrics.sdsPushes.inc({ variant, kind })
      if (sinceOpenMs !== undefined) metrics.sdsTimeToFirstSecret.observe(sinceOpenMs / 1000)
      if (log.enabled('debug')) log.debug({ ...about(stream), name, kind, version }, 'secret sent')
    },
    noted(stream, note, answerMs) {
      if (answerMs !== undefined && note.type === 'ack')
        metrics.sdsPushToAck.observe(answerMs / 1000)
      count(metrics, stream, note)
      tell({ log, seldom }, stream, note)
    },
    refused(stream, error) {
      const reason = codeOf(error)
      metrics.sdsRequestsRefused.inc({ reason })
      const fields = { ...about(stream), error }
      if (reason === 'internal') seldom.error(stream, fields, 'stream ended by a fault in Spindle')
      else seldom.warn(stream, fields, 'stream refused')
    },
    fetched(resources) {
      for (const { kind } of resources) metrics.sdsPushes.inc({ variant: 'fetch', kind })
    },
    fetchRefused({ connection: { id, peer } }, error) {
      const reason = codeOf(error)
      if (peer.pid === ownPid && reason !== 'internal') return
      metrics.sdsRequestsRefused.inc({ reason })
      const fields = { connection: id, pid: peer.pid, uid: peer.uid, error }
      if (reason === 'internal')
        seldom.error(peer.uid, fields, 'FetchSecrets failed by a fault in Spindle')
      else log.debug(fields, 'FetchSecrets refused')
    },
  }
}

function count(metrics: Metrics, stream: SdsStream, note: Note): void {
  switch (note.type) {
    case 'ack':
      metrics.sdsAcks.inc({ variant: stream.variant })
      break
    case 'nack':
      metrics.sdsNacks.inc({ class: note.class })
      break
    case 'ack-of-rejected':
      metrics.sdsAcksOfRejected.inc()
      break
    case 'unanswered':
      metrics.sdsUnanswered.inc()
      break
    case 'stale-nonce':
      break
  }
}

function tell(
  { log, seldom }: { readonly log: Log; readonly seldom: Seldom },
  stream: SdsStream,
  note: Note,
): void {
  const warn = (fields: LogFields, message: string): void =>
    seldom.warn(stream, { ...about(stream), ...fields }, message)
  switch (note.type) {
    case 'nack': {
      const names = note.rejected.map(({ name }) => name)
      warn({ names, class: note.class }, 'secret rejected; it is not sent again until it changes')
      break
    }
    case 'unanswered':
      warn({ names: note.names }, 'secret neither acknowledged nor rejected in time')
      break
    case 'ack-of-rejected': {
      const names = note.resources.map(({ name }) => name)
      warn({ names }, 'acknowledgement of rejected content not believed')
      break
    }
    case 'ack':
    case 'stale-nonce':
      if (log.enabled('trace')) log.trace({ ...about(stream), note: note.type }, 'answer')
      break
  }
}

function about(stream: SdsStream): Record<string, unknown> {
  const { connection } = stream.sidecar.caller
  return {
    connection: connection.id,
    pid: connection.peer.pid,
    uid: connection.peer.uid,
    variant: stream.variant,
    node: stream.node.id,
  }
}
