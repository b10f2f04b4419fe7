/** What stands between a process and an entry: each selector that is missing, with what the process has instead. */
import type { MissingSelector } from '#spindle/admin/v1/admin_pb.js'
import type { Question } from './facts.ts'
import { isGranted, listed, nearestOf } from './facts.ts'

/** Lines; none where there is nothing to tell. */
export function missingLines(question: Question): readonly string[] {
  const { answer, name } = question
  if (name === '' ? answer.entries.length > 0 : isGranted(question)) return []
  const near = nearestOf(question)
  if (near === undefined) return nobodyGrants(question)
  const which = name === '' || answer.near.length === 1 ? '' : ' that grants it'
  const width = Math.max(...near.missing.map(({ selector }) => selector.length))
  return [
    `The nearest entry${which} is ${near.spiffeId}. It wants`,
    ...near.missing.map((each) => `  ${each.selector.padEnd(width)}  ${instead(each)}`),
  ]
}

const SHOWN = 3

function instead({ has, unknown }: MissingSelector): string {
  if (unknown) return 'which could not be looked up just now'
  if (has.length === 0) return 'and the process has none of that kind'
  const more = has.length - SHOWN
  const shown = more > 0 ? [...has.slice(0, SHOWN), `${more} more`] : has
  return `and the process has ${listed(shown)}`
}

function nobodyGrants({ answer, name }: Question): readonly string[] {
  if (name === '') return answer.entries.length === 0 ? ['The agent has no entries at all.'] : []
  if (answer.nameState !== 'absent') return []
  const has = [...answer.entries.flatMap((entry) => entry.names), ...answer.bundleNames]
  const nobody = `No entry grants ${name} to anybody.`
  return [has.length === 0 ? nobody : `${nobody} The process may ask for ${listed(has)}.`]
}
