import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { SpindleError } from '../../runtime/errors.ts'
import type { BodyColumns } from './tables.ts'

/** A value as it is kept; members that are undefined are not. */
export function written(value: object): BodyColumns {
  const body = JSON.stringify(value)
  return { body, crc: crc32(body) }
}

/**
 * What `written` was given. Its types are believed: they were checked before it was written, and it has not changed since.
 * @param place such as `entry 1234`
 * @throws SpindleError `store_corrupt`
 */
export function read<T>({ body, crc }: BodyColumns, place: string): T {
  if (crc32(body) !== crc) throw corrupt(place)
  return JSON.parse(body) as T
}

export function corrupt(place: string): SpindleError {
  return new SpindleError(
    'store_corrupt',
    `the store: ${place} is not what was written: its bytes changed on the disk, or by hand`,
  )
}

/** 32 hex digits, for keys of an index. */
export function digest(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 32)
}

/** Both engines keep it as it is. @throws SpindleError `request_invalid` */
export function checkText(text: string, what: string): void {
  if (text.includes('\0') || !text.isWellFormed())
    throw new SpindleError('request_invalid', `${what} holds a character that cannot be kept`)
}
