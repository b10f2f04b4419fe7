/** What Envoy was told under each name, and what it said to it. */
import type { HeldSecret, WorkloadUse } from '#spindle/admin/v1/admin_pb.js'
import { instant } from '../../output.ts'
import type { Question } from './facts.ts'
import { between, isConnected, listed, toldOf, whenIs } from './facts.ts'

/** Lines; a process that is not connected was told nothing. */
export function toldLines(question: Question): readonly string[] {
  const { answer, name, now } = question
  if (!isConnected(question))
    return [
      'It has no open connection to the agent: it never connected, has closed it, or was refused one.',
    ]
  const [connection] = answer.connections
  const who = [connection?.nodeId && `node ${connection.nodeId}`]
  if (connection?.envoyVersion) who.push(`Envoy ${connection.envoyVersion}`)
  const since = whenIs(connection?.connectedAt, now, 'some time ago')
  const about = who.some(Boolean) ? ` (${who.filter(Boolean).join(', ')})` : ''
  const head = `It connected ${since}${about}`
  const told = toldOf(question).map((held) => heldLine(held, name, now))
  // It has no names: what it tells is what the process is.
  const uses = name === '' ? answer.workloadUses.map((use) => useLine(use, now)) : []
  if (told.length + uses.length > 0)
    return [`${head}.`, ...[...told, ...uses].map((line) => `  ${line}`)]
  const others = [...new Set(answer.secrets.map((held) => held.name))]
  if (answer.workloadUses.length > 0) others.push('the Workload API')
  if (others.length === 0) return [`${head}, and has asked for nothing.`]
  return [`${head}, and asked for ${listed(others)} only.`]
}

function useLine(use: WorkloadUse, now: number): string {
  const when = use.sentAt === undefined ? '' : ` ${whenIs(use.sentAt, now)}`
  const last = use.sentAt === undefined ? '' : `, last answered${when}`
  return `${use.method} of the Workload API: ${state()}`

  function state(): string {
    switch (use.state) {
      case 'sent':
        return `sent ${use.version.slice(0, 12)}${when}`
      case 'behind':
        return `sent ${use.version.slice(0, 12)}${when}, which it has not read yet`
      case 'answered':
        return `answered${when}`
      case 'refused':
        return `refused ${whenIs(use.refusedAt, now)} (${use.why})${last}`
      case 'closed':
        return 'it left without an answer'
      default:
        return use.sentAt === undefined
          ? `nothing sent yet: ${use.why}`
          : `sent ${use.version.slice(0, 12)}${when}; the next waits: ${use.why}`
    }
  }
}

const VARIANTS: Readonly<Record<string, string>> = { delta: 'Delta', sotw: 'state of the world' }

function heldLine(held: HeldSecret, name: string, now: number): string {
  const subject = name === '' ? `${held.name}, ` : ''
  return `${subject}over ${VARIANTS[held.variant] ?? held.variant}: ${history(held, now)}`
}

function history(held: HeldSecret, now: number): string {
  const parts: string[] = []
  const version = (held.version || held.acknowledgedVersion).slice(0, 12)
  if (held.sentAt !== undefined) parts.push(`sent ${version} ${whenIs(held.sentAt, now)}`)
  if (held.removedAt !== undefined)
    parts.push(`told ${whenIs(held.removedAt, now)} that there is no such name`)
  const after = between(held.sentAt, held.answeredAt)
  switch (held.state) {
    case 'acknowledged':
      parts.push(`acknowledged after ${after}`)
      break
    case 'rejected':
      parts.push(`rejected after ${after} (${held.rejection || 'class unknown'})`, goesOn(held))
      break
    case 'unanswered':
      parts.push('not answered in time', goesOn(held))
      break
    case 'sent':
      parts.push('not answered yet')
      break
    case 'revoked':
      parts.push(`it keeps that until ${instant(held.expiresAt) ?? 'it is stopped'}`)
      break
    case 'waiting':
      parts.push(held.removedAt === undefined ? 'sent nothing, the name is held open' : 'held open')
      break
    default:
      parts.push(held.sentAt === undefined ? `nothing sent yet: ${held.why}` : held.why)
  }
  return parts.join(', ')
}

function goesOn({ acknowledgedVersion }: HeldSecret): string {
  return acknowledgedVersion === ''
    ? 'it has nothing to work with'
    : `it works with version ${acknowledgedVersion.slice(0, 12)}`
}
