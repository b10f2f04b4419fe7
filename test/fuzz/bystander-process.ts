// `bystander-process.ts SOCKET ADMIN_SOCKET`: a valid client that forces a rotation as soon as the one before has arrived.
// See bystander.ts.
import { setTimeout as pause } from 'node:timers/promises'
import { AdminService } from '../../src/gen/spindle/admin/v1/admin_pb.js'
import { createUnixClient } from '../../src/wire/client.ts'
import { createSdsCaller, serialOf } from '../e2e/rig/sds-caller.ts'

const ARRIVES_MS = 30_000
const PAUSE_MS = 100

const [, , socket = '', adminSocket = ''] = process.argv
const admin = createUnixClient(adminSocket)
const stream = createSdsCaller(socket).delta()
stream.acknowledge()
stream.say({ resourceNamesSubscribe: ['default'] })
const tell = (message: unknown): void => void process.send?.(message)
try {
  let serial = serialOf(await stream.next(ARRIVES_MS))
  tell({ arrived: serial, ms: 0 })
  for (;;) {
    const forced = performance.now()
    await admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: ARRIVES_MS })
    const next = serialOf(await stream.next(ARRIVES_MS))
    if (next === serial) throw new Error('the same certificate came twice')
    serial = next
    tell({ arrived: serial, ms: performance.now() - forced })
    await pause(PAUSE_MS)
  }
} catch (thrown) {
  tell({ failed: String(thrown) })
}
