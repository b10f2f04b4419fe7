import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { report } from '../../../../src/cli/doctor/report.ts'
import { fail, ok, warn } from '../../../../src/cli/doctor/verdict.ts'

const VERDICTS = [
  ok({ check: 'kernel' }, 'Linux 6.18'),
  warn({ check: 'entries', where: '/etc/x' }, 'one\ntwo', 'Look.'),
  fail({ check: 'http', where: '127.0.0.1:1' }, 'is taken', 'Choose another.'),
]

test('report() tells each check with its level, its place, and what to do', () => {
  assert.equal(
    report(VERDICTS, 'table'),
    [
      'ok    kernel   Linux 6.18',
      'warn  entries  /etc/x',
      '               one',
      '               two',
      '               → Look.',
      'FAIL  http     127.0.0.1:1',
      '               is taken',
      '               → Choose another.',
      '',
      '1 ok, 1 to look at, 1 to mend',
      '',
    ].join('\n'),
  )
})

test('report() as JSON and YAML holds every field and the counts', () => {
  const expected = { checks: VERDICTS, ok: 1, warnings: 1, failures: 1 }
  assert.deepEqual(JSON.parse(report(VERDICTS, 'json')), expected)
  assert.deepEqual(parse(report(VERDICTS, 'yaml')), expected)
})
