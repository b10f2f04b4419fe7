/**
 * The few C library calls Node has no API for. Every call answers a number: the result, or minus the errno. Numbers of
 * options are those of asm-generic, which the architectures below use.
 */
import { constants } from 'node:os'
import koffi from 'koffi'
import { SpindleError, messageOf } from '../runtime/errors.ts'

export interface Libc {
  /** Level SOL_SOCKET. The length written to `out`, or -errno. */
  getsockopt(fd: number, option: number, out: Buffer): number
  /** poll(2) that does not wait, over `count` struct pollfd. The number that are ready, or -errno. */
  poll(pollfds: Buffer, count: number): number
  /** A descriptor that is closed on exec, or -errno. */
  pidfdOpen(pid: number): number
  /** PIDFD_GET_INFO (Linux 6.13) into a struct pidfd_info of 64 bytes, its mask set by the caller; 0, or -errno. */
  pidfdInfo(pidfd: number, info: Buffer): number
  /** Of what `path`, which ends with a zero byte, leads to: statx(2)'s basic statistics into a struct statx of 256 bytes; 0, or -errno. */
  statx(path: Buffer, out: Buffer): number
  prctl(option: number, value: number): number
  getrlimit(resource: number): ResourceLimit | number
  setrlimit(resource: number, limit: ResourceLimit): number
  /** A stream socket of AF_UNIX bound to `path`, not listening yet; close-on-exec. The descriptor, or -errno. */
  bindUnix(path: string): number
  listen(fd: number, backlog: number): number
  /** Bytes that wait in a socket, left there: how many were copied to `out`; 0 once the peer has ended; -EAGAIN: none yet. */
  peek(fd: number, out: Buffer): number
  /** Both ends of a stream of AF_UNIX, close-on-exec, or -errno. */
  socketPair(): readonly [number, number] | number
  /** An exclusive flock(2) that does not wait, or -errno. Closing the descriptor ends it. */
  lock(fd: number): number
}

export interface ResourceLimit {
  readonly soft: bigint
  readonly hard: bigint
}

/** Of mips, parisc, sparc and powerpc the option numbers differ; of 32-bit ones the struct sizes. */
const ARCHITECTURES: ReadonlySet<string> = new Set(['x64', 'arm64', 'riscv64', 'loong64'])

const SYS_PIDFD_OPEN = 434
/** The C library's own is younger than the system call. */
const SYS_STATX = process.arch === 'x64' ? 332 : 291
const AT_FDCWD = -100
const STATX_BASIC_STATS = 0x7ff
/** _IOWR(0xff, 11, 64 bytes). */
const PIDFD_GET_INFO = 0xc0_40_ff_0b
const AF_UNIX = 1
const MSG_PEEK = 0x2
const MSG_DONTWAIT = 0x40
const SOCK_STREAM_CLOEXEC_NONBLOCK = 0o1 | 0o2000000 | 0o4000

/**
 * @throws SpindleError `peer_credentials_unsupported` where this is no Linux whose numbers are known, or koffi's
 * binary is missing.
 */
export function openLibc(): Libc {
  if (process.platform !== 'linux' || !ARCHITECTURES.has(process.arch)) {
    throw new SpindleError(
      'peer_credentials_unsupported',
      `callers can be told apart on Linux (${[...ARCHITECTURES].join(', ')}) only; this is ${process.platform} ${process.arch}`,
    )
  }
  try {
    return bindFunctions()
  } catch (cause) {
    throw new SpindleError(
      'peer_credentials_unsupported',
      `the C library cannot be called: ${messageOf(cause)} (was npm told to omit optional packages?)`,
      { cause },
    )
  }
}

function bindFunctions(): Libc {
  // null: the library the process has loaded already, glibc or musl.
  const library = koffi.load(null)
  // koffi types every function as returning `any`; each of these returns a C int or long.
  const bind = (name: string, result: string, parameters: string[]) =>
    library.func(name, result, parameters) as (...values: unknown[]) => number
  // Buffers passed as `void *` cost less than koffi's structs.
  const getsockopt = bind('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *'])
  const poll = bind('poll', 'int', ['void *', 'ulong', 'int'])
  const syscall = bind('syscall', 'long', ['long', 'long', 'long'])
  const statx = bind('syscall', 'long', ['long', 'long', 'void *', 'long', 'long', 'void *'])
  const ioctl = bind('ioctl', 'int', ['int', 'ulong', 'void *'])
  const prctl = bind('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong'])
  const getrlimit = bind('getrlimit', 'int', ['int', 'void *'])
  const setrlimit = bind('setrlimit', 'int', ['int', 'void *'])
  const socket = bind('socket', 'int', ['int', 'int', 'int'])
  const recv = bind('recv', 'long', ['int', 'void *', 'size_t', 'int'])
  const socketpair = bind('socketpair', 'int', ['int', 'int', 'int', 'void *'])
  const bindAddress = bind('bind', 'int', ['int', 'void *', 'uint'])
  const listen = bind('listen', 'int', ['int', 'int'])
  const flock = bind('flock', 'int', ['int', 'int'])
  const closeDescriptor = bind('close', 'int', ['int'])
  const checked = (result: number): number => (result < 0 ? -koffi.errno() : result)
  const length = Buffer.alloc(4)

  return {
    getsockopt(fd, option, out) {
      length.writeUInt32LE(out.length)
      const result = getsockopt(fd, 1 /* SOL_SOCKET */, option, out, length)
      return result === 0 ? length.readUInt32LE() : -koffi.errno()
    },
    poll: (pollfds, count) => checked(poll(pollfds, count, 0)),
    pidfdOpen: (pid) => checked(syscall(SYS_PIDFD_OPEN, pid, 0)),
    pidfdInfo: (pidfd, info) => checked(ioctl(pidfd, PIDFD_GET_INFO, info)),
    statx: (path, out) => checked(statx(SYS_STATX, AT_FDCWD, path, 0, STATX_BASIC_STATS, out)),
    prctl: (option, value) => checked(prctl(option, value, 0, 0, 0)),
    getrlimit(resource) {
      const out = Buffer.alloc(16)
      if (getrlimit(resource, out) !== 0) return -koffi.errno()
      return { soft: out.readBigUInt64LE(0), hard: out.readBigUInt64LE(8) }
    },
    setrlimit(resource, limit) {
      const value = Buffer.alloc(16)
      value.writeBigUInt64LE(limit.soft, 0)
      value.writeBigUInt64LE(limit.hard, 8)
      return checked(setrlimit(resource, value))
    },
    bindUnix(path) {
      const fd = socket(AF_UNIX, SOCK_STREAM_CLOEXEC_NONBLOCK, 0)
      if (fd < 0) return -koffi.errno()
      const address = Buffer.alloc(2 + Buffer.byteLength(path) + 1)
      address.writeUInt16LE(AF_UNIX)
      address.write(path, 2)
      if (bindAddress(fd, address, address.length) === 0) return fd
      const errno = koffi.errno()
      closeDescriptor(fd)
      return -errno
    },
    peek: (fd, out) => checked(recv(fd, out, out.length, MSG_PEEK | MSG_DONTWAIT)),
    socketPair() {
      const out = Buffer.alloc(8)
      if (socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC_NONBLOCK, 0, out) !== 0) return -koffi.errno()
      return [out.readInt32LE(0), out.readInt32LE(4)]
    },
    lock: (fd) => checked(flock(fd, 2 | 4 /* LOCK_EX | LOCK_NB */)),
    listen: (fd, backlog) => checked(listen(fd, backlog)),
  }
}

/** `EINVAL` of 22: for messages. */
export function errnoName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, value]) => value === errno)
  return found?.[0] ?? `errno ${errno}`
}
