/** The audit as lines of the log. */
import type { Clock } from '../../runtime/clock.ts'
import { shownText } from '../../runtime/shown-text.ts'
import { createLog } from '../../telemetry/log.ts'
import type { LogFields } from '../../telemetry/log.ts'
import type { AuditEvent, ServerAudit } from './audit.ts'
import { createDenials } from './denials.ts'

export interface AuditOptions {
  readonly format: 'json' | 'text'
  readonly stream: { write(line: string): unknown }
  readonly clock: Clock
}

const MESSAGES = {
  denied: 'audit: a call was denied',
  issued: 'audit: an identity was issued',
  changed: 'audit: the registry was changed',
  operated: 'audit: the server was operated on',
} as const satisfies Record<AuditEvent['event'], string>

/** Of a text that a client may have had its part in. */
const LONGEST_DETAIL = 512

/** Through the log's redaction, yet written whatever the log's level is. */
export function createAudit(options: AuditOptions): ServerAudit {
  /** Lines of a call that has not returned yet. */
  let held: string[] | undefined
  const stream = {
    write: (line: string) => (held === undefined ? options.stream.write(line) : held.push(line)),
  }
  const log = createLog({ ...options, stream, level: 'info' })
  const denials = createDenials(options.clock, ({ event, detail, ...fields }, repeated) => {
    const shown = detail === undefined ? {} : { detail: shownText(detail, LONGEST_DETAIL) }
    log.info(
      { audit: event, ...fields, ...shown, ...withInstants(repeated ?? {}) },
      repeated === undefined ? MESSAGES[event] : 'audit: calls were denied again',
    )
  })
  const write = (event: AuditEvent): void => {
    if (event.event === 'denied') return denials.take(event)
    const { event: audit, ...fields } = event
    log.info({ audit, ...withInstants(fields) }, MESSAGES[audit])
  }
  return {
    write(...events) {
      held = []
      try {
        for (const event of events) write(event)
      } finally {
        const lines = held.join('')
        held = undefined
        if (lines !== '') options.stream.write(lines)
      }
    },
    close: () => denials.close(),
  }
}

const INSTANTS = ['expiresAt', 'firstAt', 'lastAt'] as const

/** Instants as text, as the line's own time is. */
function withInstants(fields: object): LogFields {
  const shown: Record<string, unknown> = { ...fields }
  for (const name of INSTANTS) {
    const value = shown[name]
    if (typeof value === 'number') shown[name] = new Date(value).toISOString()
  }
  return shown
}
