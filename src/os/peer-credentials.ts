/**
 * Who is at the other end of a Unix socket, as the kernel recorded it at connect(2): SO_PEERCRED names pid, uid and gid,
 * SO_PEERPIDFD (Linux 6.5) is a handle on that very process, which no reuse of its number can move to another.
 */
import { closeSync, fstatSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { messageOf } from '../runtime/errors.ts'
import { errnoName } from './libc.ts'
import type { Libc } from './libc.ts'
import { readStartTime } from './process/process.ts'

/** What the kernel says of the process that called connect(2) (SO_PEERCRED, SO_PEERPIDFD). */
export interface PeerCredentials {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** undefined only where `attestation.pidfd: preferred` had to fall back to the start time alone. */
  readonly pidfd?: number
  /** Clock ticks since boot (field 22 of /proc/PID/stat): with the pid it names one process. */
  readonly startTime: string
}

/** How a process is held on to, strongest first; only the first cannot be fooled by a reused pid. */
export type PeerHandle = 'peer-pidfd' | 'opened-pidfd' | 'start-time'

/** Why the other end of a socket cannot be believed. A closed set: it labels a metric. */
export type PeerFault =
  | 'credentials_unreadable'
  | 'pidfd_unsupported'
  | 'descriptors_exhausted'
  | 'pid_not_visible'
  | 'peer_ended'

export type PeerReading =
  | { readonly peer: PeerCredentials; readonly handle: PeerHandle }
  | { readonly fault: PeerFault; readonly detail: string }

export interface PeerReader {
  /** Reads the peer synchronously; call it before anything else has the socket. The reading owns its pidfd. */
  read(socket: Socket): PeerReading
  /** False once the process has ended, zombies included. */
  alive(peer: PeerCredentials): boolean
  /** Those of `peers` that have ended, in one system call. */
  ended<P extends PeerCredentials>(peers: readonly P[]): P[]
  /** What it runs as now; undefined where the kernel cannot tell by a pidfd (below Linux 6.13). */
  effectiveIds(peer: PeerCredentials): EffectiveIds | undefined
  /** Closes the pidfd. Call it once, when the socket has closed. */
  release(peer: PeerCredentials): void
}

export interface EffectiveIds {
  readonly euid: number
  readonly egid: number
}

export interface PeerReaderOptions {
  readonly libc: Libc
  /** `required`: a peer without a kernel-made pidfd is refused. */
  readonly pidfd: 'required' | 'preferred'
  /**
   * Whether a caller outside our pid namespace is taken, though it has no number here: its pid is 0, and of it nothing is known but
   * its uid and gid.
   */
  readonly outsiders?: boolean
  readonly procRoot?: string
}

const SO_PEERCRED = 17
const SO_PEERPIDFD = 77
const POLLIN = 1
const POLLFD_BYTES = 8
/** Signals in a row that a look is repeated for. */
const POLL_AGAIN = 100
const { EINTR, ENOPROTOOPT, EINVAL, ESRCH, EMFILE, ENFILE } = constants.errno

export function createPeerReader(options: PeerReaderOptions): PeerReader {
  const { libc } = options
  const procRoot = options.procRoot ?? '/proc'
  const one = Buffer.alloc(POLLFD_BYTES)
  let many = Buffer.alloc(0)
  const describe = pidfdDescriber(libc)

  const poll = (pidfds: readonly number[], buffer: Buffer): ((index: number) => boolean) => {
    pidfds.forEach((pidfd, index) => {
      buffer.writeInt32LE(pidfd, index * POLLFD_BYTES)
      buffer.writeUInt32LE(POLLIN, index * POLLFD_BYTES + 4) // events, and revents = 0
    })
    let ready = libc.poll(buffer, pidfds.length)
    // A signal that comes just then (SIGHUP, a profiler's) says nothing of them; without it, it would end every connection.
    for (let again = 0; ready === -EINTR && again < POLL_AGAIN; again++)
      ready = libc.poll(buffer, pidfds.length)
    // A poll that fails proves nobody alive; POLLIN, POLLERR and POLLNVAL all say ended.
    return (index) => ready < 0 || buffer.readUInt16LE(index * POLLFD_BYTES + 6) !== 0
  }
  const isThereByNumber = (peer: PeerCredentials): boolean => {
    // Without a number nothing but the end of its connection tells.
    if (peer.pid === 0) return true
    try {
      return readStartTime(peer.pid, procRoot) === peer.startTime
    } catch {
      return false
    }
  }
  const reader: PeerReader = {
    alive(peer) {
      if (peer.pidfd === undefined) return isThereByNumber(peer)
      return !poll([peer.pidfd], one)(0)
    },
    ended(peers) {
      const held = peers.filter((peer) => peer.pidfd !== undefined)
      if (many.length < held.length * POLLFD_BYTES) {
        many = Buffer.alloc(held.length * POLLFD_BYTES * 2)
      }
      const hasEnded = poll(
        held.map((peer) => peer.pidfd ?? -1),
        many,
      )
      return [
        ...held.filter((_, index) => hasEnded(index)),
        ...peers.filter((peer) => peer.pidfd === undefined && !isThereByNumber(peer)),
      ]
    },
    effectiveIds: ({ pidfd }) => (pidfd === undefined ? undefined : describe(pidfd)),
    release(peer) {
      if (peer.pidfd !== undefined) closeSync(peer.pidfd)
    },
    read: (socket) => readPeer(socket, { ...options, procRoot, describe, alive: reader.alive }),
  }
  return reader
}

function readPeer(
  socket: Socket,
  options: PeerReaderOptions & {
    readonly procRoot: string
    readonly describe: ReturnType<typeof pidfdDescriber>
    readonly alive: PeerReader['alive']
  },
): PeerReading {
  const fd = socketDescriptor(socket)
  if (fd === undefined) {
    return {
      fault: 'credentials_unreadable',
      detail: 'the accepted socket shows no descriptor of a socket',
    }
  }
  const taken = takePeer(fd, options)
  if ('fault' in taken) return taken
  const { credentials, pidfd, handle } = taken
  const refused = (fault: PeerFault, detail: string): PeerReading => {
    if (pidfd !== undefined) closeSync(pidfd)
    return { fault, detail }
  }
  try {
    const pidHeld =
      pidfd === undefined ? credentials.pid : (options.describe(pidfd)?.pid ?? pidOfPidfd(pidfd))
    // pid 0 must be tested by itself: fdinfo says `Pid: 0` as well, so the equality below holds for it.
    if (credentials.pid <= 0 || pidHeld === 0) {
      if (options.outsiders === true) {
        const held = pidfd === undefined ? {} : { pidfd }
        return { peer: { ...credentials, pid: 0, ...held, startTime: '' }, handle }
      }
      return refused(
        'pid_not_visible',
        'the caller is outside the agent’s pid namespace (run the agent with hostPID)',
      )
    }
    if (pidHeld !== credentials.pid) {
      return refused('peer_ended', `process ${credentials.pid} ended before it was accepted`)
    }
    const startTime = readStartTime(credentials.pid, options.procRoot)
    const peer = { ...credentials, ...(pidfd === undefined ? {} : { pidfd }), startTime }
    if (options.alive(peer)) return { peer, handle }
    return refused('peer_ended', `process ${peer.pid} ended before it was accepted`)
  } catch (thrown) {
    const exhausted = isExhausted((thrown as NodeJS.ErrnoException).errno ?? 0)
    return refused(exhausted ? 'descriptors_exhausted' : 'peer_ended', messageOf(thrown))
  }
}

interface TakenPeer {
  readonly credentials: { readonly pid: number; readonly uid: number; readonly gid: number }
  readonly pidfd: number | undefined
  readonly handle: PeerHandle
}

function takePeer(
  fd: number,
  { libc, pidfd, outsiders = false }: PeerReaderOptions,
): TakenPeer | { readonly fault: PeerFault; readonly detail: string } {
  const ucred = Buffer.alloc(12)
  const length = libc.getsockopt(fd, SO_PEERCRED, ucred)
  if (length !== ucred.length) {
    return { fault: 'credentials_unreadable', detail: `SO_PEERCRED: ${errnoName(-length)}` }
  }
  const credentials = {
    pid: ucred.readInt32LE(0),
    uid: ucred.readUInt32LE(4),
    gid: ucred.readUInt32LE(8),
  }
  const out = Buffer.alloc(4)
  const result = libc.getsockopt(fd, SO_PEERPIDFD, out)
  if (result === out.length) {
    return { credentials, pidfd: out.readInt32LE(0), handle: 'peer-pidfd' }
  }
  // Only ENOPROTOOPT says "this kernel has no such option". Reading the others so would switch the check off in the
  // very case it is for: a peer that is gone (EINVAL up to Linux 6.15, ESRCH on 6.16).
  const errno = -result
  if (errno === ENOPROTOOPT && outsiders && credentials.pid === 0)
    return { credentials, pidfd: undefined, handle: 'start-time' }
  if (errno === ENOPROTOOPT && pidfd === 'preferred' && credentials.pid > 0) {
    const opened = libc.pidfdOpen(credentials.pid)
    if (opened >= 0) return { credentials, pidfd: opened, handle: 'opened-pidfd' }
    if (-opened === ESRCH) return { fault: 'peer_ended', detail: 'pidfd_open: ESRCH' }
    if (isExhausted(-opened)) return exhausted(-opened)
    return { credentials, pidfd: undefined, handle: 'start-time' }
  }
  if (isExhausted(errno)) return exhausted(errno)
  const detail = `SO_PEERPIDFD: ${errnoName(errno)}`
  if (errno === EINVAL || errno === ESRCH) return { fault: 'peer_ended', detail }
  return { fault: errno === ENOPROTOOPT ? 'pidfd_unsupported' : 'credentials_unreadable', detail }
}

function isExhausted(errno: number): boolean {
  return Math.abs(errno) === EMFILE || Math.abs(errno) === ENFILE
}

function exhausted(errno: number): { readonly fault: PeerFault; readonly detail: string } {
  return { fault: 'descriptors_exhausted', detail: errnoName(errno) }
}

/** `socket._handle.fd` is not documented: anything but a socket's number is refused, and `selfTest` proves it at start. */
export function socketDescriptor(socket: Socket): number | undefined {
  const fd = (socket as unknown as { _handle?: { fd?: unknown } | null })._handle?.fd
  if (typeof fd !== 'number' || !Number.isInteger(fd) || fd < 0) return undefined
  try {
    return fstatSync(fd).isSocket() ? fd : undefined
  } catch {
    return undefined
  }
}

const INFO_BYTES = 64
const INFO_CREDENTIALS = 2n

/** What the kernel says of a pidfd's process by PIDFD_GET_INFO (Linux 6.13), numbered as in our namespaces. */
function pidfdDescriber(
  libc: Libc,
): (pidfd: number) => (EffectiveIds & { readonly pid: number }) | undefined {
  const info = Buffer.alloc(INFO_BYTES)
  return (pidfd) => {
    info.writeBigUInt64LE(INFO_CREDENTIALS)
    // What it cannot say, of a process outside our namespace or of one reaped, is asked of fdinfo.
    if (libc.pidfdInfo(pidfd, info) !== 0) return undefined
    if ((info.readBigUInt64LE() & INFO_CREDENTIALS) === 0n) return undefined
    return {
      pid: info.readUInt32LE(20),
      euid: info.readUInt32LE(36),
      egid: info.readUInt32LE(40),
    }
  }
}

/** The process a pidfd stands for: -1 once it is reaped, 0 when it is outside our pid namespace. */
export function pidOfPidfd(pidfd: number): number {
  const line = /^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'latin1'))
  return line === null ? -1 : Number(line[1])
}
