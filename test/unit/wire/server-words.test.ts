import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ServiceError } from '@grpc/grpc-js'
import { Metadata } from '@grpc/grpc-js'
import { ERRORS } from '../../../src/runtime/errors.ts'
import { status } from '../../../src/runtime/grpc-status.ts'
import { errorOfServer } from '../../../src/wire/server-words.ts'

function fault(code: number, details: string): readonly [code: string, exit: number, text: string] {
  const failure: ServiceError = Object.assign(new Error(details), {
    code,
    details,
    metadata: new Metadata(),
  })
  const error = errorOfServer(failure, '/run/s.sock')
  return [error.code, ERRORS[error.code].exit, error.message]
}

test("errorOfServer() gives a refusal in the server's own words, by its status", () => {
  const { NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED, UNAVAILABLE } = status
  assert.deepEqual(fault(NOT_FOUND, 'entry not found'), ['not_found', 1, 'entry not found'])
  assert.deepEqual(fault(FAILED_PRECONDITION, 'only Old'), ['precondition_failed', 1, 'only Old'])
  assert.deepEqual(fault(PERMISSION_DENIED, 'no'), ['peer_refused', 4, 'no'])
  assert.deepEqual(fault(UNAVAILABLE, 'initializing'), ['not_ready', 3, 'initializing'])
})

test('errorOfServer() gives the code that a Spindle server put in front', () => {
  assert.deepEqual(fault(status.INTERNAL, 'store_newer: of version 9'), [
    'store_newer',
    1,
    'of version 9',
  ])
})

test('errorOfServer() calls a server that nobody hears of unreachable', () => {
  const gone = 'No connection established. Last error: connect ENOENT /run/s.sock'
  const [code, exit] = fault(status.UNAVAILABLE, gone)
  assert.deepEqual([code, exit], ['unreachable', 3])
  assert.equal(fault(status.DEADLINE_EXCEEDED, 'Deadline exceeded')[0], 'unreachable')
  assert.equal(fault(status.CANCELLED, 'Call cancelled')[0], 'unreachable')
})

test('errorOfServer() names the server where it says nothing, or fails', () => {
  assert.deepEqual(fault(status.INTERNAL, 'internal error'), [
    'internal',
    1,
    '/run/s.sock answered with status 13: internal error',
  ])
  assert.deepEqual(fault(status.NOT_FOUND, ''), [
    'not_found',
    1,
    '/run/s.sock answered with status 5',
  ])
})
