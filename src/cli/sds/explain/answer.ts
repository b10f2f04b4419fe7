/** The answer itself, in a sentence: has it, lacks it, or cannot be said yet, and why. */
import type { HeldSecret } from '#spindle/admin/v1/admin_pb.js'
import type { Question } from './facts.ts'
import { isConnected, isUndecided, listed, processOf, sentence, toldOf } from './facts.ts'

export function answerSentence(question: Question): string {
  return sentence(question.name === '' ? identities(question) : nameSentence(question))
}

function identities(question: Question): string {
  const { answer } = question
  const who = processOf(question)
  if (answer.entries.length > 0) {
    const ids = answer.entries.map(({ spiffeId, default: isDefault }) =>
      isDefault && answer.entries.length > 1 ? `${spiffeId} (its default)` : spiffeId,
    )
    return `${who} is ${listed(ids)}.`
  }
  if (isUndecided(question))
    return `it cannot be said yet what ${who} is: ${undecidedBecause(question)}.`
  return `${who} has no identity: no entry matches it.`
}

function nameSentence(question: Question): string {
  const { answer, name } = question
  const who = processOf(question)
  switch (answer.nameState) {
    case 'present':
      return presentSentence(question)
    case 'pending':
      return isUndecided(question)
        ? `it cannot be said yet whether ${who} may have ${name}: ${undecidedBecause(question)}.`
        : `${who} is granted ${name}, and does not have it yet: ${answer.nameWhy}.`
    default: {
      const lacks = `${who} lacks ${name}: ${answer.nameWhy}.`
      const keeps = toldOf(question).some((held) => held.state === 'revoked')
      return keeps ? `${lacks} Its Envoy still works with what it was sent before.` : lacks
    }
  }
}

function presentSentence(question: Question): string {
  const { answer, name } = question
  const who = processOf(question)
  const what = `${name}, ${answer.nameWhy}`
  if (!isConnected(question)) return `${who} may have ${what}, but is not connected to the agent.`
  const held = worst(toldOf(question))
  if (held === undefined) return `${who} may have ${what}, but has not asked for it.`
  switch (held.state) {
    case 'rejected':
      return `${who} was sent ${what}, and rejected it (${held.rejection || 'class unknown'}).`
    case 'unanswered':
      return `${who} was sent ${what}, and neither acknowledged nor rejected it in time.`
    case 'sent':
      return `${who} was sent ${what}, and has not answered yet.`
    case 'acknowledged':
      return `${who} has ${what}.`
    default:
      return `${who} may have ${what}, which is on its way: ${held.why || held.state}.`
  }
}

const WORST_FIRST = ['rejected', 'unanswered', 'revoked', 'waiting', 'pending', 'sent']

/** Of several streams that follow a name, the one with something to say. */
function worst(told: readonly HeldSecret[]): HeldSecret | undefined {
  const rank = ({ state }: HeldSecret): number => {
    const at = WORST_FIRST.indexOf(state)
    return at === -1 ? WORST_FIRST.length : at
  }
  return told.toSorted((a, b) => rank(a) - rank(b))[0]
}

function undecidedBecause({ answer }: Question): string {
  if (answer.unknownKinds.length === 0) return answer.undecided
  return `its ${listed(answer.unknownKinds)} could not be looked up just now`
}
