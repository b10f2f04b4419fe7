/** What will happen by itself, and what to try. */
import type { MatchedEntry } from '#spindle/admin/v1/admin_pb.js'
import type { Question } from './facts.ts'
import { shellWord } from '../../shell-word.ts'
import { entryNamed, isConnected, isUndecided, toldOf, whenIs } from './facts.ts'

export function nextSentence(question: Question): string {
  const { answer, name } = question
  if (isUndecided(question)) return undecidedNext(question)
  if (name === '') return answer.entries.length === 0 ? waitingNext(question) : renewals(question)
  if (answer.nameState === 'absent') return waitingNext(question)
  const entry = entryNamed(question)
  const rejected = toldOf(question).some((held) => held.state === 'rejected')
  if (rejected) {
    const renewal = entry === undefined ? '' : `, at its renewal ${renewalOf(entry, question.now)}`
    return `It is not sent again until its content changes${renewal}.`
  }
  if (entry === undefined)
    return answer.nameState === 'pending'
      ? 'It is pushed the moment there is one.'
      : 'The next one is pushed when the CA or the bundle changes.'
  return entrySentence(entry, question)
}

function undecidedNext({ answer, now }: Question): string {
  const again = answer.attestedAgainAt
  return again === undefined
    ? 'It is looked up anew when the process connects.'
    : `It is looked up again by itself, ${whenIs(again, now)}.`
}

function waitingNext(question: Question): string {
  const keeps = toldOf(question).some((held) => held.state === 'revoked')
  if (keeps)
    return 'Nothing more is sent under this name. Removal does not revoke in Envoy: stop it to cut it off sooner.'
  return isConnected(question) && toldOf(question).length > 0
    ? 'The moment an entry grants it, it is pushed; nothing has to be restarted.'
    : 'Once an entry grants it, it is answered at once when the process asks.'
}

function entrySentence(entry: MatchedEntry, { answer, now }: Question): string {
  if (entry.fault !== '') {
    const left =
      entry.expiresAt === undefined ? '' : `; what it has ends ${whenIs(entry.expiresAt, now)}`
    return `Issuing it failed (${entry.fault}) and is tried again ${whenIs(entry.retryAt, now)}${left}.`
  }
  if (entry.expiresAt === undefined)
    return answer.connections.length === 0
      ? 'It is issued when the process asks.'
      : 'It is being issued, and pushed at once.'
  return `It is renewed ${renewalOf(entry, now)} and pushed at once; the present one ends ${whenIs(entry.expiresAt, now)}.`
}

const renewalOf = (entry: MatchedEntry, now: number): string => whenIs(entry.renewAt, now)

function renewals(question: Question): string {
  const [first, ...others] = question.answer.entries
  if (first === undefined) return ''
  const failing = question.answer.entries.find((entry) => entry.fault !== '')
  const told = failing ?? first
  return others.length === 0
    ? entrySentence(told, question)
    : `${told.spiffeId}: ${entrySentence(told, question)}`
}

/** Commands, most useful first. */
export function tryNext(question: Question): readonly string[] {
  const { answer, name } = question
  const again = `spindle sds explain --pid ${answer.pid}${name === '' ? '' : ` --name ${shellWord(name)}`}`
  if (isUndecided(question)) return ['spindle doctor', again]
  const told = toldOf(question)
  const rejected = told.find((held) => held.state === 'rejected')
  if (rejected !== undefined)
    return rejected.rejection === 'type_mismatch'
      ? ['spindle doctor --envoy FILE']
      : ['spindle svid renew', again]
  if (answer.nameState === 'absent' || (name === '' && answer.entries.length === 0))
    return ['spindle status  # names the entries file; it takes effect when saved', again]
  if (answer.nameState === 'pending') return ['spindle ca show', again]
  if (!isConnected(question) || (name !== '' && told.length === 0))
    return ['spindle doctor --envoy FILE  # the configuration of its Envoy', again]
  return [answer.secrets.length === 0 ? 'spindle workload list' : 'spindle sds list --watch']
}
