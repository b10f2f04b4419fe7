import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Server, StatusObject } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'
import type { AdminParts } from '../../../../../src/agent/serve/admin.ts'
import { addAdminService } from '../../../../../src/agent/serve/admin.ts'
import { SpindleError } from '../../../../../src/runtime/errors.ts'

type Answer = (call: { request: object }, done: (status: StatusObject) => void) => void

/** Calls GetStatus where the state of the agent cannot be told because of `thrown`. */
async function getStatus(thrown: Error): Promise<{ status: StatusObject; faults: string[] }> {
  const faults: string[] = []
  let service: Record<string, Answer> = {}
  const server = { addService: (_: unknown, made: typeof service) => (service = made) }
  addAdminService(
    server as unknown as Server,
    {
      status: () => Promise.reject(thrown),
      faulted: (method: string, what: unknown) => faults.push(`${method}: ${String(what)}`),
    } as unknown as AdminParts,
  )
  const ended = await new Promise<StatusObject>((resolve) =>
    service['GetStatus']?.({ request: {} }, resolve),
  )
  return { status: ended, faults }
}

test('what nobody raised on purpose is told to the log, and to the caller only that it happened', async () => {
  const fault = await getStatus(new TypeError('x is not a function'))
  assert.deepEqual([fault.status.code, fault.status.details], [status.INTERNAL, 'internal error'])
  assert.deepEqual(fault.faults, ['GetStatus: TypeError: x is not a function'])
  const refused = await getStatus(new SpindleError('not_found', 'there is no process 7'))
  assert.equal(refused.status.code, status.NOT_FOUND)
  assert.deepEqual(refused.faults, [])
})
