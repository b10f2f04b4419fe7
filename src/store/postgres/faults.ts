import pg from 'pg'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { placeOf } from './target.ts'
import type { PostgresTarget } from './target.ts'

/** Of the system and of `pg`: no answer of the server's. */
const CONNECTION = /^(?:E[A-Z]+|ERR_TLS.*|CERT_.*|.*_CERT.*|UNABLE_TO_.*)$/
const CONNECTION_TEXT = /terminated|closed|connection error|SSL connection|socket disconnected/i
/** The client gave up on an answer. */
const NO_ANSWER = /Query read timeout|timeout expired|timeout exceeded when trying to connect/

/** By SQLSTATE: what is wrong, in plain words. */
const PLAIN: readonly (readonly [state: RegExp, text: string])[] = [
  [/^53100$/, 'its disk is full'],
  [/^53300$/, 'it takes no more connections'],
  [/^53/, 'it is short of something'],
  [/^57P03$/, 'it is starting or stopping'],
  [/^(?:08|57P)/, 'it ended the connection'],
  [/^(?:57014|55P03|25P03)$/, 'it took too long'],
  [/^25006$/, 'it is a standby, which takes no changes'],
  [/^28/, 'it refuses the login'],
  [/^3D000$/, 'it has no such database'],
  [/^42501$/, 'the user lacks a right'],
  [/^58/, 'its disk failed'],
  [/^40/, 'it gave way to another change'],
]
const CORRUPT = /^XX00[12]$/
/** The connection is of no more use. */
const LOST = /^(?:08|57P|25006|25P03)/

/** A connection that failed, as against a statement that did. */
export function isLost(thrown: unknown): boolean {
  const state = stateOf(thrown)
  if (state !== undefined) return LOST.test(state)
  if (!(thrown instanceof Error)) return false
  const code = codeOf(thrown)
  return (code !== undefined && CONNECTION.test(code)) || CONNECTION_TEXT.test(thrown.message)
}

/** The connection is not to be used again: it was lost, or an answer may still come. */
export function isBroken(thrown: unknown): boolean {
  return isLost(thrown) || (thrown instanceof Error && NO_ANSWER.test(thrown.message))
}

/** Whether the server itself said no, so that what was asked did not happen. */
export function wasRefused(thrown: unknown): boolean {
  const state = stateOf(thrown)
  return state !== undefined && !/^(?:08|57P|40003)/.test(state)
}

/** What a caller is told; the password never is. */
export function postgresFault(thrown: unknown, target: PostgresTarget): SpindleError {
  if (thrown instanceof SpindleError) return thrown
  const state = stateOf(thrown)
  const said = withoutPassword(messageOf(thrown) || 'no answer', target)
  const place = `the store ${placeOf(target)}`
  if (state !== undefined && CORRUPT.test(state))
    return new SpindleError('store_corrupt', `${place}: ${said}`)
  const plain = PLAIN.find(([pattern]) => state !== undefined && pattern.test(state))?.[1]
  if (plain !== undefined)
    return new SpindleError('store_unavailable', `${place}: ${plain} (${said})`)
  if (isBroken(thrown))
    return new SpindleError('store_unavailable', `${place} cannot be reached: ${said}`)
  return new SpindleError('internal', `${place}: ${said}`)
}

function withoutPassword(text: string, { password }: PostgresTarget): string {
  if (password === undefined || password === '') return text
  return text.replaceAll(password, '…').replaceAll(encodeURIComponent(password), '…')
}

function stateOf(thrown: unknown): string | undefined {
  return thrown instanceof pg.DatabaseError ? thrown.code : undefined
}

function codeOf(thrown: Error): string | undefined {
  return 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}
