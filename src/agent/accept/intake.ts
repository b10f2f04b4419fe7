import { Socket } from 'node:net'
import { Transform, pipeline } from 'node:stream'
import type { Libc } from '../../os/libc.ts'
import { socketDescriptor } from '../../os/peer-credentials.ts'
import type { Clock } from '../../runtime/clock.ts'
import { AuthorityMender, mayNamePath } from '../../wire/authority.ts'
import type { Claim } from './acceptor.ts'
import type { Connection } from './connection.ts'

export interface IntakeOptions {
  readonly libc: Pick<Libc, 'peek' | 'socketPair'>
  readonly clock: Clock
}

export interface Arrival {
  readonly connection: Connection
  /** Paused. */
  readonly socket: Socket
  readonly claim: Claim
}

/**
 * Hands a socket on once its first bytes have come: as it is, or, to a client that gives HTTP/2 what it does not take
 * (wire/authority.ts), the other end of a pair that what is sent goes through.
 */
export type Intake = (arrival: Arrival, take: (socket: Socket) => void) => void

/** Preface and settings of every client there is. */
const ENOUGH_BYTES = 256
/** Between two looks for bytes that have not come yet, doubling: clients send them with connect(2) or right after it. */
const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 100

/**
 * The bytes are looked at where they are: HTTP/2 takes what was read before it by another way, on which frames overtake the events of
 * those before them.
 */
export function createIntake({ libc, clock }: IntakeOptions): Intake {
  const first = Buffer.alloc(ENOUGH_BYTES)
  const look = (fd: number): boolean | undefined => {
    const count = libc.peek(fd, first)
    // Of one that has gone already, HTTP/2 takes note.
    if (count === 0) return false
    const verdict = mayNamePath(first.subarray(0, Math.max(count, 0)))
    return count === ENOUGH_BYTES ? verdict === true : verdict
  }
  return (arrival, take) => {
    const { connection, socket } = arrival
    const fd = socketDescriptor(socket)
    const attempt = (waitMs: number): void => {
      if (connection.closed || fd === undefined) return
      const verdict = look(fd)
      if (verdict === undefined) {
        clock.after(waitMs, () => attempt(Math.min(2 * waitMs, LONGEST_WAIT_MS)))
        return
      }
      const taken = verdict ? throughMender(arrival, libc) : socket
      if (taken === undefined) return
      take(taken)
      taken.read(0)
    }
    attempt(FIRST_WAIT_MS)
  }
}

/** undefined: the connection was ended. */
function throughMender(
  { connection, socket, claim }: Arrival,
  libc: Pick<Libc, 'socketPair'>,
): Socket | undefined {
  if (!claim()) return undefined
  const pair = libc.socketPair()
  if (typeof pair === 'number') {
    connection.destroy('no descriptors are left')
    return undefined
  }
  const [inner, outer] = pair.map((fd) => new Socket({ fd, readable: true, writable: true }))
  if (inner === undefined || outer === undefined) return undefined
  Object.defineProperty(inner, 'remoteAddress', { value: connection.id })
  inner.on('error', () => undefined)
  const mender = new AuthorityMender()
  const mend = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (const part of mender.mend(chunk)) this.push(part)
      done()
    },
  })
  // The end of either is the end of both; why is known to those who listen to the ends themselves.
  pipeline(socket, mend, outer, () => undefined)
  pipeline(outer, socket, () => undefined)
  return inner
}
