import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { Metadata, status } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { AdminService } from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import {
  PermissionDeniedDetailsSchema,
  PermissionDeniedDetails_Reason,
} from '../../../src/gen/spire/api/types/status_pb.js'
import { openLibc } from '../../../src/os/libc.ts'
import { SpindleError } from '../../../src/runtime/errors.ts'
import { createUnixClient } from '../../../src/wire/client.ts'
import { errorOfStatus, statusOf, wordedStatus } from '../../../src/wire/status.ts'

const failure = (code: status, details: string): ServiceError =>
  Object.assign(new Error(details), { code, details, metadata: new Metadata() })

test('errorOfStatus() gives back the error that statusOf() was given', () => {
  const { code, details } = statusOf(new SpindleError('not_found', 'there is no process 7'))
  const error = errorOfStatus(failure(code, details), '/run/a.sock')
  assert.equal(error.code, 'not_found')
  assert.equal(error.message, 'there is no process 7')
})

test('statusOf() tells a caller nothing of an error nobody raised on purpose', () => {
  assert.equal(statusOf(new TypeError('x.y is undefined')).details, 'internal error')
})

test('wordedStatus() is sent as it is, its detail as google.rpc.Status says', () => {
  const worded = wordedStatus(7, 'no: you may not', {
    schema: PermissionDeniedDetailsSchema,
    value: create(PermissionDeniedDetailsSchema, {
      reason: PermissionDeniedDetails_Reason.AGENT_BANNED,
    }),
  })
  const { code, details, metadata } = statusOf(worded)
  assert.deepEqual([code, details], [7, 'no: you may not'])
  const type = 'type.googleapis.com/spire.api.types.PermissionDeniedDetails'
  // 1 code: 7 · 2 message: 15 bytes · 3 details: Any { 1 type_url, 2 value: { 1 reason: 4 } }
  const any = [0x0a, type.length, ...Buffer.from(type), 0x12, 2, 0x08, 4]
  const text = [...Buffer.from('no: you may not')]
  const expected = Buffer.from([0x08, 7, 0x12, text.length, ...text, 0x1a, any.length, ...any])
  assert.deepEqual(metadata.get('grpc-status-details-bin'), [expected])
  assert.deepEqual(statusOf(wordedStatus(16, 'who?')).metadata.getMap(), {})
})

test('statusOf() keeps its text to printable ASCII of at most 512 characters', () => {
  const { details } = statusOf(new SpindleError('request_invalid', `é\n${'a'.repeat(600)}`))
  assert.match(details, /^[\x20-\x7e]{512}$/)
})

test('errorOfStatus() calls a socket this user may not open refused, not unreachable', () => {
  const details =
    'No connection established. Last error: Error: connect EACCES /run/a.sock. Resolution note: '
  const error = errorOfStatus(failure(status.UNAVAILABLE, details), '/run/a.sock')
  assert.equal(error.code, 'peer_refused')
  assert.equal(error.message, '/run/a.sock is not open to this user (EACCES)')
})

test('errorOfStatus() says in few words that nothing came in time, or that it is no gRPC', () => {
  const said = (code: status, details: string): string =>
    errorOfStatus(failure(code, details), 's').message
  assert.equal(
    said(
      status.DEADLINE_EXCEEDED,
      'Deadline exceeded after 9.999s,name resolution: 0.002s,metadata filters: 0.001s,Waiting for LB pick',
    ),
    's does not answer: nothing within 10 s',
  )
  assert.equal(
    said(
      status.UNAVAILABLE,
      'No connection established. Last error: Protocol error (2026-11-22T19:09:41.618Z). Resolution note: ',
    ),
    's does not answer: what listens there speaks no gRPC',
  )
  assert.equal(
    said(status.UNAVAILABLE, 'Connection dropped'),
    's does not answer: Connection dropped',
  )
})

test('createUnixClient() says in one phrase that there is no socket, or nobody behind it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spindle-wire-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const stale = join(folder, 'stale.sock')
  closeSync(openLibc().bindUnix(stale))
  const missing = join(folder, 'missing.sock')
  const long = join(folder, 'x'.repeat(107))
  const cases = [
    [missing, `${missing} does not answer: there is no such socket (ENOENT)`],
    [stale, `${stale} does not answer: nobody listens there (ECONNREFUSED)`],
    [long, `${long} does not answer: a path of a socket has at most 107 bytes (EINVAL)`],
  ] as const
  for (const [path, message] of cases) {
    const client = createUnixClient(path)
    t.after(() => client.close())
    await assert.rejects(
      client.call(AdminService.method.getStatus, {}, { deadlineMs: 20_000 }),
      (thrown) => {
        assert.ok(thrown instanceof SpindleError)
        assert.deepEqual([thrown.code, thrown.message], ['unreachable', message])
        return true
      },
    )
  }
})

test('errorOfStatus() of a method that is not there says that it is another socket, not that Spindle is at fault', () => {
  const details =
    'The server does not implement the method /spindle.admin.v1.AdminService/GetStatus'
  const error = errorOfStatus(failure(status.UNIMPLEMENTED, details), '/run/a.sock')
  assert.equal(error.code, 'unreachable')
  assert.equal(error.message, '/run/a.sock is the socket of another service')
})
