/** What commands print: `-o table|json|yaml`. The JSON is proto3's mapping of the admin API, so it is stable as that is. */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { toJson } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { timestampMs } from '@bufbuild/protobuf/wkt'
import { stringify } from 'yaml'
import type { Format } from './io.ts'

export type Cell = string | number | boolean | undefined

/** Columns as wide as their widest cell, two spaces apart; an empty cell is `-`. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => (cell === undefined || cell === '' ? '-' : String(cell))),
  )
  const widths = head.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [line(head), ...cells.map(line)].join('\n') + '\n'
}

/** `name  value` lines for one thing. */
export function record(fields: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length))
  return fields
    .map(
      ([name, value]) =>
        `${name.padEnd(width)}  ${value === undefined || value === '' ? '-' : value}\n`,
    )
    .join('')
}

export function render<M extends DescMessage>(
  format: Format,
  message: { readonly schema: M; readonly value: MessageShape<M> },
  asTable: () => string,
): string {
  if (format === 'table') return asTable()
  const json = toJson(message.schema, message.value, { alwaysEmitImplicit: true })
  return renderPlain(format, json)
}

export function renderPlain(format: 'json' | 'yaml', value: unknown): string {
  return format === 'json' ? JSON.stringify(value, null, 2) + '\n' : stringify(value)
}

export function instant(at: Timestamp | undefined): string | undefined {
  return at === undefined ? undefined : instantText(timestampMs(at))
}

/** RFC 3339 in UTC to the second, of ms since the epoch. */
export function instantText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

export function fromNow(at: Timestamp | undefined, now: number): string | undefined {
  return at === undefined ? undefined : fromNowText(timestampMs(at), now)
}

/** `in 59m 12s`, `12s ago`: two units at most, of ms since the epoch. */
export function fromNowText(at: number, now: number): string {
  const text = span(Math.abs(at - now))
  return at >= now ? `in ${text}` : `${text} ago`
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
] as const

/** `59m 12s`: two units at most. */
export function span(ms: number): string {
  let seconds = Math.floor(ms / 1000)
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size)
    seconds -= count * size
    if (count > 0 && parts.length < 2) parts.push(`${count}${unit}`)
    else if (parts.length > 0) break
  }
  return parts.join(' ') || '0s'
}
