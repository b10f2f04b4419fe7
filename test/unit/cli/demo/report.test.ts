import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holds, logTail, report, time } from '../../../../src/cli/demo/report.ts'

const held = { name: 'client gets OK', ok: true, detail: '200', ms: 4.6 }
const failed = { name: 'intruder is refused', ok: false, detail: 'got 200\nand more', ms: 1234 }

test('report() is a table of checks whose last line is the verdict', () => {
  assert.equal(
    report([held], { planned: 1, totalMs: 12_345 }),
    [
      'CHECK           RESULT  TIME  DETAIL',
      'client gets OK  ok      5 ms  200',
      '',
      'demo: all 1 checks hold (12.3 s)',
      '',
    ].join('\n'),
  )
})

test('report() counts what failed and keeps a detail to its first line', () => {
  const lines = report([held, failed], { planned: 2, totalMs: 900 }).trimEnd().split('\n')
  assert.match(lines[2] ?? '', /^intruder is refused +FAILED +1\.2 s +got 200$/)
  assert.equal(lines.at(-1), 'demo: 1 of 2 checks FAILED (900 ms)')
})

test('a check that was not run does not hold', () => {
  assert.equal(holds([held], 2), false)
  assert.equal(holds([held, failed], 2), false)
  assert.equal(holds([held, held], 2), true)
  const verdicts = [[held], [failed]].map((results) =>
    report(results, { planned: 3, totalMs: 1 }).trimEnd().split('\n').pop(),
  )
  assert.deepEqual(verdicts, [
    'demo: 2 of 3 NOT RUN (1 ms)',
    'demo: 1 of 3 checks FAILED, 2 of 3 NOT RUN (1 ms)',
  ])
})

test('time() is in ms below a second', () => {
  assert.deepEqual([0.4, 999.4, 999.6, 61_000].map(time), ['0 ms', '999 ms', '1.0 s', '61.0 s'])
})

test('logTail() is the last lines, said whose they are', () => {
  assert.equal(logTail('the agent', 'a\nb\nc\n', 2), '  last lines of the agent:\n    b\n    c\n')
})
