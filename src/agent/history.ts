/** What is reported, also as events of the timeline: put around the reports where the status page is served. */
import type { AuthorityEvent } from '../authority/authority.ts'
import { codeOf } from '../runtime/errors.ts'
import type { Happening, Timeline } from '../telemetry/timeline.ts'
import type { Note } from '../xds/message.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { TrustDomain } from '../spiffe/spiffe-id.ts'
import type { IdentityEvent } from './obtain/identity.ts'
import type { Reporter } from './reporter.ts'
import type { Caller } from './match/caller.ts'
import type { SdsStream, StreamObserver } from './serve/stream.ts'
import type { WorkloadReports } from './serve/workload/observer.ts'

type Recorder = Pick<Timeline, 'add'>

export function recordReports(report: Reporter, timeline: Recorder): Reporter {
  const refusedHere = ({
    refused,
  }: Reporter['connections']): Reporter['connections']['refused'] => {
    return (refusal) => {
      refused(refusal)
      timeline.add({ kind: 'refused', subject: 'connection', detail: refusal.reason })
    }
  }
  const bundlesChanged = recordBundles(timeline)
  return {
    ...report,
    reloaded(state) {
      report.reloaded(state)
      const detail = state.fault === undefined ? 'read' : `not used: ${state.fault}`
      timeline.add({ kind: 'source', subject: state.name, detail })
    },
    authorityEvent(event) {
      report.authorityEvent(event)
      for (const happening of ofAuthority(event)) timeline.add(happening)
    },
    jwtAuthorityEvent(event) {
      report.jwtAuthorityEvent(event)
      for (const happening of ofAuthority(event))
        timeline.add({ ...happening, detail: `JWT key: ${happening.detail}` })
    },
    attestationRefused(connection, code, message) {
      report.attestationRefused(connection, code, message)
      const { pid } = connection.peer
      timeline.add({ kind: 'refused', subject: 'attestation', detail: code, pid })
    },
    identityEvent(event) {
      report.identityEvent(event)
      timeline.add(ofIdentity(event))
    },
    bundles(bundles) {
      report.bundles(bundles)
      bundlesChanged(bundles)
    },
    connections: { ...report.connections, refused: refusedHere(report.connections) },
    adminConnections: { ...report.adminConnections, refused: refusedHere(report.adminConnections) },
  }
}

export function recordStreams(observer: StreamObserver, timeline: Recorder): StreamObserver {
  return {
    ...observer,
    pushed(stream, resource, sinceOpenMs) {
      observer.pushed(stream, resource, sinceOpenMs)
      const { name, kind } = resource
      timeline.add({ kind: 'pushed', subject: name, detail: kind, pid: pidOf(stream) })
    },
    noted(stream, note, answerMs) {
      observer.noted(stream, note, answerMs)
      const pid = pidOf(stream)
      for (const happening of ofNote(note)) timeline.add({ ...happening, pid })
    },
    refused(stream, error) {
      observer.refused(stream, error)
      timeline.add({
        kind: 'refused',
        subject: 'stream',
        detail: codeOf(error),
        pid: pidOf(stream),
      })
    },
    fetched(resources) {
      observer.fetched(resources)
      for (const { name, kind } of resources)
        timeline.add({ kind: 'pushed', subject: name, detail: `${kind}, fetched` })
    },
  }
}

export function recordWorkload(observer: WorkloadReports, timeline: Recorder): WorkloadReports {
  const refused = (subject: string, { connection }: Caller, error: unknown): void =>
    timeline.add({ kind: 'refused', subject, detail: codeOf(error), pid: connection.peer.pid })
  return {
    ...observer,
    sent(stream, message, sinceOpenMs) {
      observer.sent(stream, message, sinceOpenMs)
      const { rpc, grant } = stream
      const { pid } = grant.caller.connection.peer
      timeline.add({ kind: 'pushed', subject: rpc, detail: 'Workload API', pid })
    },
    closed(stream, error) {
      observer.closed(stream, error)
      if (error !== undefined) refused(stream.rpc, stream.grant.caller, error)
    },
    answered(rpc, call) {
      observer.answered(rpc, call)
      if (call.error !== undefined) refused(rpc, call.caller, call.error)
    },
    unheard(path) {
      observer.unheard(path)
      timeline.add({ kind: 'refused', subject: path, detail: 'without its security header' })
    },
  }
}

const pidOf = (stream: SdsStream): number => stream.sidecar.caller.connection.peer.pid

function ofIdentity(event: IdentityEvent): Happening {
  switch (event.kind) {
    case 'issued':
      return { kind: 'issued', subject: event.entry.spiffeId, notAfter: event.svid.notAfter }
    case 'failed':
      return { kind: 'issue-failed', subject: event.entry.spiffeId, detail: event.message }
    case 'expired':
      return { kind: 'expired', subject: event.entry.spiffeId, notAfter: event.notAfter }
    case 'clock_jumped':
      return { kind: 'clock', subject: 'clock', detail: `jumped by ${Math.round(event.byMs)} ms` }
  }
}

function ofAuthority(event: AuthorityEvent): readonly Happening[] {
  switch (event.kind) {
    case 'issued':
      // Told by the identity it was issued for.
      return []
    case 'prepared':
    case 'activated':
    case 'pruned':
    case 'tainted':
    case 'revoked': {
      const { kind: detail, authorityId: subject, notAfter } = event
      return [{ kind: 'authority', subject, detail, notAfter }]
    }
    case 'failed':
    case 'unsaved':
    case 'reload_failed':
      return [{ kind: 'authority', subject: event.kind, detail: event.message }]
    case 'state_set_aside':
      return [{ kind: 'authority', subject: event.kind, detail: event.reason }]
    case 'reloaded':
      return [{ kind: 'authority', subject: event.kind }]
  }
}

function ofNote(note: Note): readonly Happening[] {
  switch (note.type) {
    case 'ack':
      return note.resources.map(({ name, kind }) => ({
        kind: 'acknowledged',
        subject: name,
        detail: kind,
      }))
    case 'nack':
      return note.rejected.map(({ name }) => ({
        kind: 'rejected',
        subject: name,
        detail: note.class,
      }))
    case 'ack-of-rejected':
      return note.resources.map(({ name }) => ({
        kind: 'rejected',
        subject: name,
        detail: 'its later acknowledgement is not believed',
      }))
    case 'unanswered':
      return note.names.map((name) => ({ kind: 'unanswered', subject: name }))
    case 'stale-nonce':
      return []
  }
}

function recordBundles(timeline: Recorder): Reporter['bundles'] {
  let before: ReadonlyMap<TrustDomain, Bundle> = new Map()
  return (bundles) => {
    for (const name of before.keys())
      if (!bundles.has(name)) timeline.add({ kind: 'bundle', subject: name, detail: 'gone' })
    for (const [name, bundle] of bundles) {
      if (before.get(name) === bundle) continue
      timeline.add({ kind: 'bundle', subject: name, detail: contentOf(bundle) })
    }
    before = bundles
  }
}

function contentOf({ x509Authorities, jwtAuthorities }: Bundle): string {
  const certificates = x509Authorities.length
  const keys = jwtAuthorities.length
  return [
    `${certificates} ${certificates === 1 ? 'authority' : 'authorities'}`,
    ...(keys === 0 ? [] : [`${keys} JWT ${keys === 1 ? 'key' : 'keys'}`]),
  ].join(', ')
}
