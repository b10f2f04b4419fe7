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

/** Beyond them nothing is written: SPIRE's API has them, and no line of ours is of one. */
export type SilentLevel = 'fatal' | 'panic'

/** A log, with its children, whose level may be set while it is in use. */
export interface LeveledLog extends Log {
  readonly level: LogLevel | SilentLevel
  setLevel(level: LogLevel | SilentLevel): void
}

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'text'
  /** Such as process.stderr; gets whole lines. */
  readonly stream: { write(line: string): unknown }
  readonly clock: Clock
}

export function createLog({ level, format, stream, clock }: LogOptions): LeveledLog {
  const destination =
    format === 'json' ? stream : { write: (line: string) => stream.write(textLine(line)) }
  const logger = pino(
    {
      // What is written is decided here, since children of pino's do not follow their parent.
      level: 'trace',
      // Neither pid nor host name: whoever collects the log knows them.
      base: null,
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
    },
    destination,
  )
  const threshold: Threshold = { level }
  return {
    ...wrap(logger, threshold),
    get level() {
      return threshold.level
    },
    setLevel(next) {
      threshold.level = next
    },
  }
}

interface Threshold {
  level: LogLevel | SilentLevel
}

const RANKS = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, fatal: 5, panic: 6 } as const

function wrap(logger: Logger, threshold: Threshold): Log {
  const enabled = (level: LogLevel): boolean => RANKS[level] >= RANKS[threshold.level]
  const at =
    (level: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (enabled(level)) logger[level](clean(fields), redactText(message))
    }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    enabled,
    child: (fields) => wrap(logger.child(clean(fields)), threshold),
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
