import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status as grpcStatus } from '@grpc/grpc-js'
import { codeOf, ERRORS, messageOf, SpindleError } from '../../../src/runtime/errors.ts'
import { status } from '../../../src/runtime/grpc-status.ts'

test('status: every gRPC status code by its number', () => {
  const theirs = Object.fromEntries(
    Object.entries(grpcStatus).filter(([, value]) => typeof value === 'number'),
  )
  assert.deepEqual({ ...status }, theirs)
})

test('ERRORS: every code says what to do, and has a gRPC status that is an error and a known exit code', () => {
  for (const [code, meaning] of Object.entries(ERRORS)) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/)
    assert.notEqual(meaning.grpc, status.OK, code)
    assert.ok([1, 2, 3, 4].includes(meaning.exit), code)
    assert.match(meaning.todo, /\.$/, code)
  }
})

test('SpindleError: keeps code, message and cause', () => {
  const cause = new Error('disk')
  const error = new SpindleError('not_ready', 'still loading', { cause })
  assert.equal(error.name, 'SpindleError')
  assert.equal(error.message, 'still loading')
  assert.equal(error.cause, cause)
  assert.equal(codeOf(error), 'not_ready')
})

test('codeOf, messageOf: anything else thrown is internal, and has a text', () => {
  assert.equal(codeOf(new Error('x')), 'internal')
  assert.equal(codeOf(undefined), 'internal')
  assert.equal(messageOf(new TypeError('bad')), 'bad')
  assert.equal(messageOf('plain'), 'plain')
})
