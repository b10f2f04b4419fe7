/** `spindle sds explain` for people: the answer first, then why, what Envoy was told, what comes, what to try, and all facts. */
import { fromNow, record, table } from '../../output.ts'
import { stateOf } from '../list.ts'
import { answerSentence } from './answer.ts'
import type { Question } from './facts.ts'
import { missingLines } from './missing.ts'
import { nextSentence, tryNext } from './next.ts'
import { toldLines } from './told.ts'

export function explanation(question: Question): string {
  const parts = [
    [answerSentence(question)],
    missingLines(question),
    toldLines(question),
    [`Next: ${nextSentence(question)}`],
    tryNext(question).map((command, at) => `${at === 0 ? 'Try: ' : '     '}${command}`),
  ]
  const told = parts.filter((lines) => lines.length > 0).map((lines) => `${lines.join('\n')}\n`)
  return [...told, ...facts(question)].join('\n')
}

function facts({ answer, now }: Question): readonly string[] {
  const parts = [
    record([
      ['pid', answer.pid],
      ['uid', answer.uid],
      ['gid', answer.gid],
      ['executable', answer.executable],
      ['selectors', answer.selectors.join(' ')],
      ...(answer.unknownKinds.length > 0
        ? [['not known yet', answer.unknownKinds.join(' ')] as const]
        : []),
      ...answer.notes.map((note) => ['note', note] as const),
    ]),
  ]
  if (answer.entries.length > 0)
    parts.push(
      table(
        ['ENTRY', 'DEFAULT', 'HINT', 'NAMES', 'EXPIRES', 'RENEWED', 'FAULT'],
        answer.entries.map((entry) => [
          entry.spiffeId,
          entry.default ? 'yes' : '',
          entry.hint,
          entry.names.join(' '),
          fromNow(entry.expiresAt, now),
          fromNow(entry.renewAt, now),
          entry.fault,
        ]),
      ),
    )
  if (answer.near.length > 0)
    parts.push(
      table(
        ['ENTRY NOT MATCHED', 'MISSING'],
        answer.near.map((near) => [near.spiffeId, near.missingSelectors.join(' ')]),
      ),
    )
  if (answer.secrets.length > 0)
    parts.push(
      table(
        ['STREAM', 'NAME', 'STATE', 'VERSION', 'EXPIRES', 'WHY'],
        answer.secrets.map((held) => [
          held.variant,
          held.name,
          stateOf(held),
          held.version.slice(0, 12),
          fromNow(held.expiresAt, now),
          held.why,
        ]),
      ),
    )
  if (answer.workloadUses.length > 0)
    parts.push(
      table(
        ['WORKLOAD API', 'STATE', 'ANSWERS', 'VERSION', 'LAST', 'EXPIRES', 'WHY'],
        answer.workloadUses.map((use) => [
          use.method,
          use.state,
          use.answers,
          use.version.slice(0, 12),
          fromNow(use.sentAt, now),
          fromNow(use.expiresAt, now),
          use.why,
        ]),
      ),
    )
  return parts
}
