// `bystander-process.ts SOCKET ADMIN_SOCKET`: a valid client of the Workload API that forces a rotation as soon as the one before
// has arrived, and has a token made and validated with each. See ../bystander.ts.
import { X509Certificate } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { AdminService } from '../../../src/gen/spindle/admin/v1/admin_pb.js'
import { createUnixClient } from '../../../src/wire/client.ts'
import { createWorkloadClient } from '../../../src/workload/client.ts'

const ARRIVES_MS = 30_000
const PAUSE_MS = 100

const [, , path = '', adminSocket = ''] = process.argv
const admin = createUnixClient(adminSocket)
const client = createWorkloadClient({ kind: 'unix', path }, { deadlineMs: ARRIVES_MS })
const tell = (message: unknown): void => void process.send?.(message)
const fail = (thrown: unknown): void => tell({ failed: String(thrown) })

let forced = performance.now()
let arrived = (): void => undefined
let first = ''
let all = ''
const watching = client.watchX509({
  signal: new AbortController().signal,
  onUpdate({ svids }) {
    const serials = svids.map(({ chain }) => new X509Certificate(chain[0]!).serialNumber)
    if (serials.join() === all) return fail('the same certificates came twice')
    all = serials.join()
    // The others of this caller may come in a message of their own.
    if (serials[0] === first) return
    tell({ arrived: serials[0], ms: first === '' ? 0 : performance.now() - forced })
    first = serials[0] ?? ''
    arrived()
  },
  onFault: ({ error }) => fail(error),
})
watching.catch(fail)

try {
  for (let count = 0; ; count++) {
    const next = new Promise<void>((resolve) => (arrived = resolve))
    if (count > 0) {
      forced = performance.now()
      await admin.call(AdminService.method.renewIdentities, {}, { deadlineMs: ARRIVES_MS })
    }
    await next
    const audience = `bystander-${count}`
    const { svids } = await client.fetchJwt({ audience: [audience] })
    for (const { token } of svids) await client.validateJwt({ audience, svid: token })
    await pause(PAUSE_MS)
  }
} catch (thrown) {
  fail(thrown)
}
