import { SpindleError } from '../runtime/errors.ts'
import { MOST_A_PAGE } from './port.ts'
import type { Page, PageRequest } from './port.ts'

/** A page is read with one row more, which tells whether another follows. */
export interface PageStart {
  readonly limit: number
  /** Keys after this one. */
  readonly after: string
}

/** Base64url of the longest key, a SPIFFE ID. */
const LONGEST_TOKEN = 4096

/** @throws SpindleError `request_invalid` */
export function pageStart({ limit, token = '' }: PageRequest): PageStart {
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_A_PAGE)
    throw new SpindleError('request_invalid', `a page has 1 to ${MOST_A_PAGE} items`)
  const after = Buffer.from(token, 'base64url').toString('utf8')
  if (token.length > LONGEST_TOKEN || tokenOf(after) !== token || after.includes('\0'))
    throw new SpindleError('request_invalid', 'the page token is not one that was given out')
  return { limit, after }
}

/** Of `limit + 1` rows at most. */
export function pageOf<R, T>(
  rows: readonly R[],
  limit: number,
  read: { readonly key: (row: R) => string; readonly value: (row: R) => T },
): Page<T> {
  const items = rows.slice(0, limit).map(read.value)
  const last = rows.length > limit ? rows[limit - 1] : undefined
  return last === undefined ? { items } : { items, next: tokenOf(read.key(last)) }
}

const tokenOf = (key: string): string => Buffer.from(key, 'utf8').toString('base64url')
