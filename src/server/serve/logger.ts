/** spire.api.server.logger.v1: how much the server says, while it runs. */
import { Logger } from '#spire/api/server/logger/v1/logger_pb.js'
import { LogLevel as Level } from '#spire/api/types/logger_pb.js'
import type { LeveledLog } from '../../telemetry/log.ts'
import type { Audit } from '../audit/audit.ts'
import { unaryService } from './service.ts'
import type { ApiService, Asked, Faulted } from './service.ts'
import { invalid } from './worded.ts'

const LEVELS: ReadonlyMap<Level, LeveledLog['level']> = new Map([
  [Level.PANIC, 'panic'],
  [Level.FATAL, 'fatal'],
  [Level.ERROR, 'error'],
  [Level.WARN, 'warn'],
  [Level.INFO, 'info'],
  [Level.DEBUG, 'debug'],
  [Level.TRACE, 'trace'],
])

const messageOf = (level: LeveledLog['level']): Level =>
  Array.from(LEVELS).find(([, name]) => name === level)?.[0] ?? Level.UNSPECIFIED

/** The level that `log` has now is the one to go back to. */
export function createLoggerService(parts: {
  readonly log: LeveledLog
  readonly audit: Audit
  readonly faulted: Faulted
}): ApiService {
  const { log, audit, faulted } = parts
  const launched = log.level
  const state = () => ({ currentLevel: messageOf(log.level), launchLevel: messageOf(launched) })
  const set = (level: LeveledLog['level'], { caller, method }: Asked) => {
    const before = log.level
    log.setLevel(level)
    log.info({ from: before, to: level }, 'log level set')
    audit.write({ event: 'operated', caller, method, action: 'log-level', key: level })
    return state()
  }
  return unaryService(
    Logger,
    {
      getLogger: state,
      setLogLevel({ newLevel }, asked) {
        if (newLevel === Level.UNSPECIFIED)
          throw invalid('newLevel value cannot be LogLevel_UNSPECIFIED')
        const level = LEVELS.get(newLevel)
        if (level === undefined) throw invalid('unsupported log level')
        return set(level, asked)
      },
      resetLogLevel: (_, asked) => set(launched, asked),
    },
    faulted,
  )
}
