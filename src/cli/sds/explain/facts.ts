/** What the sentences of an explanation are made of. */
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import type {
  ExplainResponse,
  HeldSecret,
  MatchedEntry,
  NearEntry,
} from '#spindle/admin/v1/admin_pb.js'
import { fromNow, span } from '../../output.ts'

export interface Question {
  readonly answer: ExplainResponse
  /** '' where none was asked for. */
  readonly name: string
  /** ms since the epoch */
  readonly now: number
}

/** On the streams of the process: the name asked for, else all. */
export function toldOf({ answer, name }: Question): readonly HeldSecret[] {
  return name === '' ? answer.secrets : answer.secrets.filter((held) => held.name === name)
}

/** The matched entry that the name stands for. */
export function entryNamed({ answer, name }: Question): MatchedEntry | undefined {
  return answer.entries.find((entry) => entry.names.includes(name))
}

/** The entry that is nearest to granting what was asked for. */
export function nearestOf({ answer, name }: Question): NearEntry | undefined {
  const [first] = answer.near
  return name === '' || first?.grantsName === true ? first : undefined
}

/** Whether the name is the process's to have, though it may not be there yet. */
export function isGranted(question: Question): boolean {
  const { answer, name } = question
  return (
    answer.nameState === 'present' ||
    entryNamed(question) !== undefined ||
    answer.bundleNames.includes(name)
  )
}

/** Whether it cannot be said yet: of the name asked for, else of any identity. */
export function isUndecided(question: Question): boolean {
  const { answer, name } = question
  if (name === '') return answer.entries.length === 0 && answer.undecided !== ''
  return answer.nameState === 'pending' && !isGranted(question)
}

export const isConnected = ({ answer }: Question): boolean => answer.connections.length > 0

/** `in 4m`, `12s ago`, or what stands for it. */
export const whenIs = (at: Timestamp | undefined, now: number, unknown = 'soon'): string =>
  fromNow(at, now) ?? unknown

/** From one instant to another: `8 ms`, `3s`. */
export function between(from: Timestamp | undefined, to: Timestamp | undefined): string {
  if (from === undefined || to === undefined) return 'some time'
  const ms = Math.max(0, timestampMs(to) - timestampMs(from))
  return ms < 1_000 ? `${ms} ms` : span(ms)
}

export const processOf = ({ answer }: Question): string => `process ${answer.pid}`

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** `a`, `a and b`, `a, b and c` */
export function listed(items: readonly string[]): string {
  const last = items.at(-1) ?? ''
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`
}
