/** What connections make of the Workload API, as messages of the admin API. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import type { Workload as WorkloadMessage, WorkloadUse } from '#spindle/admin/v1/admin_pb.js'
import { WorkloadSchema, WorkloadUseSchema } from '#spindle/admin/v1/admin_pb.js'
import type { Caller } from '../../match/caller.ts'
import { at, shownPath } from '../describe.ts'
import type { WorkloadStream } from '../workload/stream.ts'
import type { Use, Uses } from '../workload/uses.ts'

export function describeWorkload(caller: Caller, uses: Uses): WorkloadMessage {
  const { connection, state } = caller
  return create(WorkloadSchema, {
    pid: connection.peer.pid,
    uid: connection.peer.uid,
    gid: connection.peer.gid,
    executable: shownPath(state.current.attestation?.process.exe),
    ...at('connectedAt', connection.since),
    spiffeIds: state.current.match.entries.map((entry) => entry.spiffeId),
    uses: describeUses(uses),
    connectionId: connection.id,
  })
}

/** A line for each stream that is open, or for a method that has none. */
export function describeUses(uses: Uses): WorkloadUse[] {
  return [...uses].flatMap(([method, use]) => {
    const streams = [...use.streams].map(streamState)
    return (streams.length > 0 ? streams : [lastCall(use)]).map((state) =>
      create(WorkloadUseSchema, { method, answers: use.answers, ...state }),
    )
  })
}

type State = MessageInitShape<typeof WorkloadUseSchema>

function streamState(stream: WorkloadStream): State {
  const { sent, answer, writing } = stream
  const told = {
    version: sent?.version ?? '',
    ...at('sentAt', sent?.at),
    ...at('expiresAt', sent?.notAfter),
  }
  if (answer.kind !== 'there') return { ...told, state: 'pending', why: shown(answer) }
  if (answer.value.version === sent?.version) return { ...told, state: writing ? 'behind' : 'sent' }
  const why = writing ? 'it has not read the message before' : 'it is about to be sent'
  return { ...told, state: writing ? 'behind' : 'pending', why: answer.awaiting ?? why }
}

const shown = ({ why, inside }: { readonly why: string; readonly inside?: string }): string =>
  inside === undefined ? why : `${why}: ${inside}`

function lastCall({ answeredAt, refusal }: Use): State {
  const told = at('sentAt', answeredAt)
  if (refusal === undefined)
    return { ...told, state: answeredAt === undefined ? 'closed' : 'answered' }
  return { ...told, state: 'refused', why: refusal.why, ...at('refusedAt', refusal.at) }
}
