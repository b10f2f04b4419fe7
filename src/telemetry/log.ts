import { pino } from 'pino'
import type { Logger } from 'pino'
import type { Clock } from '../runtime/clock.ts'
import { redact, redactText } from './redact.ts'
import { textLine } from './text-line.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'
/** Error objects go under `error`; bytes and keys are never written, whatever the field is called. */
export type LogFields = Readonly<Record<string, unknown>>

/** Where things are said to the operator. A message is a constant sentence; what differs goes into fields. */
export interface Log {
  trace(fields: LogFields, message: string): void
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /** Whether a line of this level would be written: for what is dear to describe. */
  enabled(level: LogLevel): boolean
  /** A log whose every line has `fields` too. */
  child(fields: LogFields): Log
}

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'text'
  /** Such as process.stderr; gets whole lines. */
  readonly stream: { write(line: string): unknown }
  readonly clock: Clock
}

export function createLog({ level, format, stream, clock }: LogOptions): Log {
  const destination =
    format === 'json' ? stream : { write: (line: string) => stream.write(textLine(line)) }
  const logger = pino(
    {
      level,
      // Neither pid nor host name: whoever collects the log knows them.
      base: null,
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
    },
    destination,
  )
  return wrap(logger)
}

function wrap(logger: Logger): Log {
  const at =
    (level: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (logger.isLevelEnabled(level)) logger[level](clean(fields), redactText(message))
    }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    enabled: (level) => logger.isLevelEnabled(level),
    child: (fields) => wrap(logger.child(clean(fields))),
  }
}

/** Names that the line itself has; a field of the same name would make a JSON object with one key twice. */
const OWN_KEYS: ReadonlySet<string> = new Set(['level', 'time', 'message'])

function clean(fields: LogFields): Record<string, unknown> {
  const redacted = redact(fields) as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(redacted).map(([name, value]) => [
      OWN_KEYS.has(name) ? `_${name}` : name,
      value,
    ]),
  )
}
