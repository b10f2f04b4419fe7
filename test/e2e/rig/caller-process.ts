// `caller-process.ts SOCKET UID NAME...`: one Delta stream of another user, told of over IPC. See caller-of-uid.ts.
import { createSdsCaller, serialOf, spiffeIdOf } from './sds-caller.ts'

const [, , socket = '', uid, ...names] = process.argv
process.setgroups?.([])
process.setgid?.(Number(uid))
process.setuid?.(Number(uid))
const tell = (message: unknown): void => void process.send?.(message)

const stream = createSdsCaller(socket).delta()
stream.acknowledge()
stream.say({ resourceNamesSubscribe: names })
void stream.end(600_000).then(({ code, details }) => tell({ ended: `${code} ${details}` }))
for (;;) {
  const received = await stream.next(600_000)
  for (const name of received.removed) tell({ told: { name, spiffeId: '', serial: '' } })
  for (const secret of received.secrets) {
    const known = secret.chain !== ''
    tell({
      told: {
        name: secret.name,
        spiffeId: known ? spiffeIdOf(secret) : '',
        serial: known ? serialOf(received) : '',
      },
    })
  }
}
