import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Logger } from '#spire/api/server/logger/v1/logger_pb.js'
import { LogLevel as Level } from '#spire/api/types/logger_pb.js'
import { status } from '../../../../src/runtime/grpc-status.ts'
import type { AuditEvent } from '../../../../src/server/audit/audit.ts'
import { createLoggerService } from '../../../../src/server/serve/logger.ts'
import { createLog } from '../../../../src/telemetry/log.ts'
import { createManualClock } from '../../../fakes/clock.ts'
import { callsOf } from './called.ts'

const { getLogger, setLogLevel, resetLogLevel } = Logger.method

function setUp() {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const log = createLog({ level: 'warn', format: 'json', stream, clock: createManualClock() })
  const audited: AuditEvent[] = []
  const audit = { write: (event: AuditEvent) => void audited.push(event) }
  const call = callsOf(createLoggerService({ log, audit, faulted: assert.fail }))
  const levels = async (asked: ReturnType<typeof call<typeof getLogger>>) => {
    const { currentLevel, launchLevel } = await asked
    return [currentLevel, launchLevel]
  }
  return { lines, log, audited, call, levels }
}

test('setLogLevel holds for the log and for what was made of it, until it is reset', async () => {
  const { lines, log, call, levels } = setUp()
  const child = log.child({ of: 'child' })
  assert.deepEqual(await levels(call(getLogger, {})), [Level.WARN, Level.WARN])
  child.debug({}, 'not written')
  const set = call(setLogLevel, { newLevel: Level.DEBUG })
  assert.deepEqual(await levels(set), [Level.DEBUG, Level.WARN])
  assert(child.enabled('debug'))
  child.debug({}, 'written')
  assert.deepEqual(await levels(call(resetLogLevel, {})), [Level.WARN, Level.WARN])
  child.debug({}, 'not written again')
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { message: string }).message),
    ['log level set', 'written'],
  )
})

test('setLogLevel takes every level of the API, and what is beyond ours silences it', async () => {
  const { lines, log, call, levels } = setUp()
  for (const newLevel of [Level.TRACE, Level.INFO, Level.ERROR, Level.FATAL, Level.PANIC])
    assert.deepEqual(await levels(call(setLogLevel, { newLevel })), [newLevel, Level.WARN])
  lines.length = 0
  log.error({}, 'not written')
  assert.deepEqual(lines, [])
})

test('setLogLevel refuses no level, and one that is not known', async () => {
  const { call, audited } = setUp()
  for (const newLevel of [Level.UNSPECIFIED, 99 as Level])
    await assert.rejects(call(setLogLevel, { newLevel }), { code: status.INVALID_ARGUMENT })
  assert.deepEqual(audited, [])
})

test('who sets the level, and to what, is in the audit, also where it silences the log', async () => {
  const { call, audited } = setUp()
  await call(setLogLevel, { newLevel: Level.PANIC })
  await call(resetLogLevel, {})
  await call(getLogger, {})
  const by = { event: 'operated', caller: { kind: 'local', uid: 0, pid: 1 }, action: 'log-level' }
  const service = '/spire.api.server.logger.v1.Logger'
  assert.deepEqual(audited, [
    { ...by, method: `${service}/SetLogLevel`, key: 'panic' },
    { ...by, method: `${service}/ResetLogLevel`, key: 'warn' },
  ])
})
