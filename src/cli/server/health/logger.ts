import { Logger as LoggerService } from '#spire/api/server/logger/v1/logger_pb.js'
import type { Logger } from '#spire/api/types/logger_pb.js'
import { LogLevel } from '#spire/api/types/logger_pb.js'
import { SpindleError } from '../../../runtime/errors.ts'
import type { Io } from '../../io.ts'
import { askServer } from '../ask.ts'
import type { ServerOptions } from '../options.ts'

const { method } = LoggerService

export function getLevel(io: Io, options: ServerOptions): Promise<void> {
  return askServer(io, options, { method: method.getLogger, request: {}, text })
}

export function resetLevel(io: Io, options: ServerOptions): Promise<void> {
  return askServer(io, options, { method: method.resetLogLevel, request: {}, text })
}

export function setLevel(
  io: Io,
  options: ServerOptions & { readonly level: string },
): Promise<void> {
  const newLevel = LEVELS.get(options.level.toLowerCase())
  if (newLevel === undefined)
    throw new SpindleError(
      'usage',
      `the value ${JSON.stringify(options.level)} is not a valid setting`,
    )
  return askServer(io, options, { method: method.setLogLevel, request: { newLevel }, text })
}

/** As SPIRE prints them; it takes `warn` too. */
const LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['panic', LogLevel.PANIC],
  ['fatal', LogLevel.FATAL],
  ['error', LogLevel.ERROR],
  ['warning', LogLevel.WARN],
  ['warn', LogLevel.WARN],
  ['info', LogLevel.INFO],
  ['debug', LogLevel.DEBUG],
  ['trace', LogLevel.TRACE],
])

const nameOf = (level: LogLevel): string =>
  Array.from(LEVELS).find(([, one]) => one === level)?.[0] ?? 'unspecified'

const text = ({ currentLevel, launchLevel }: Logger): string =>
  `Logger Level : ${nameOf(currentLevel)}\nLaunch Level : ${nameOf(launchLevel)}\n\n`
