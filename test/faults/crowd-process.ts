// `crowd-process.ts SOCKET SIZE`: a crowd in a process of its own; says over IPC what its members have, when asked.
import { startCrowd } from './crowd.ts'

const [, , socket = '', size] = process.argv
const crowd = startCrowd(socket, Number(size))
process.on('message', () =>
  process.send?.(
    crowd.members.map(({ chain, certificates, drops }) => ({ chain, certificates, drops })),
  ),
)
