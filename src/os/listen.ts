/**
 * A listening Unix socket at a path that is certainly ours. The socket is bound here and handed to Node as a descriptor:
 * a server Node binds itself removes whatever is at its path when it closes, another process's socket included.
 */
import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { constants as os } from 'node:os'
import { basename, dirname, isAbsolute, normalize } from 'node:path'
import { SpindleError, messageOf } from '../runtime/errors.ts'
import { probeSocket } from './host/probe-socket.ts'
import { errnoName } from './libc.ts'
import type { Libc } from './libc.ts'
import { ensureSafeFolder } from './safe-folder.ts'

export interface ListenOptions {
  /** Mode of the socket: who may connect. */
  readonly mode: number
  /** Mode of the socket's folder where it has to be made; 0755 if not said. */
  readonly folderMode?: number
}

export interface UnixListener {
  readonly path: string
  /**
   * Begins to accept; call it once. Until then connections are made and wait in the kernel. Nothing is read of a socket before
   * it is asked for: `resume()`, or `read(0)` once something listens to it.
   */
  accept(take: (socket: Socket) => void): void
  /** Stops listening. The path stays for the next agent unless `remove`, and is removed only if it is still ours. */
  close(options?: { readonly remove?: boolean }): void
}

/** sun_path has 108 bytes, the last of them a NUL. */
const LONGEST_PATH_BYTES = 107
/** As many as the kernel lets wait (net.core.somaxconn): every sidecar of a host comes back at once after a restart. */
const BACKLOG = 4096
const LOCK_ATTEMPTS = 10

/** @throws SpindleError `socket_unusable` naming the path and what to do */
export async function listenUnix(
  libc: Libc,
  path: string,
  options: ListenOptions,
): Promise<UnixListener> {
  checkPath(path)
  ensureSafeFolder(dirname(path), {
    uid: process.geteuid?.() ?? 0,
    folderMode: options.folderMode ?? 0o755,
  })
  const lock = takeLock(libc, path)
  try {
    const fd = bind(libc, path, options.mode)
    if (fd !== undefined) return createListener(fd, path, options.mode)
    await removeStale(path)
    const second = bind(libc, path, options.mode)
    if (second !== undefined) return createListener(second, path, options.mode)
    throw inUse(path)
  } finally {
    dropLock(lock, path)
  }
}

/**
 * Of two agents that start at once, neither may remove the socket the other has just bound. The lock is a file only our
 * uid can open (a lock on the folder could be held by anyone) that is there while a socket is being bound.
 */
function takeLock(libc: Libc, path: string): number {
  const name = lockPath(path)
  for (let attempt = 1; attempt <= LOCK_ATTEMPTS; attempt++) {
    const fd = openLock(name)
    const result = libc.lock(fd)
    const found = lstatSync(name, { throwIfNoEntry: false })
    // The holder before us removed the file after we had opened it: the lock on it protects nothing.
    if (result === 0 && found?.ino === fstatSync(fd).ino) return fd
    closeSync(fd)
    if (result !== 0) throw inUse(path)
  }
  throw inUse(path)
}

function openLock(name: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  try {
    return openSync(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (thrown) {
    throw unusable(name, `cannot be opened: ${messageOf(thrown)}; remove it`)
  }
}

function dropLock(fd: number, path: string): void {
  rmSync(lockPath(path), { force: true })
  closeSync(fd)
}

function lockPath(path: string): string {
  return `${dirname(path)}/.${basename(path)}.lock`
}

/** @throws SpindleError `socket_unusable` for a path that no socket can have */
export function checkPath(path: string): void {
  if (!isAbsolute(path) || normalize(path) !== path || path.endsWith('/') || path.includes('\0')) {
    throw unusable(path, 'must be an absolute path without `.`, `..` and doubled slashes')
  }
  const bytes = Buffer.byteLength(path)
  if (bytes <= LONGEST_PATH_BYTES) return
  throw unusable(
    path,
    `has ${bytes} bytes; a socket's path may have ${LONGEST_PATH_BYTES}: choose a shorter one`,
  )
}

/** The descriptor of a listening socket; undefined when something is at the path. */
function bind(libc: Libc, path: string, mode: number): number | undefined {
  // So that the socket is at no time open to more callers than it shall be.
  const before = process.umask(0o777 & ~mode)
  const fd = libc.bindUnix(path)
  process.umask(before)
  if (-fd === os.errno.EADDRINUSE) return undefined
  if (fd < 0) throw unusable(path, `cannot be bound: ${errnoName(-fd)}`)
  const listening = libc.listen(fd, BACKLOG)
  if (listening === 0) return fd
  closeSync(fd)
  throw unusable(path, `cannot be listened on: ${errnoName(-listening)}`)
}

function createListener(fd: number, path: string, mode: number): UnixListener {
  const own = settle(fd, path, mode)
  let server: Server | undefined
  let closed = false
  return {
    path,
    accept(take) {
      if (closed || server !== undefined) throw new SpindleError('internal', `${path} is in use`)
      // Beside a descriptor Node reads the backlog from the second argument alone; its own default is 511.
      server = createServer({ pauseOnConnect: true }, take).listen({ fd }, BACKLOG)
    },
    close({ remove = false } = {}) {
      if (closed) return
      closed = true
      const now = remove ? lstatSync(path, { throwIfNoEntry: false }) : undefined
      if (now !== undefined && now.ino === own.ino && now.dev === own.dev) rmSync(path)
      if (server === undefined) closeSync(fd)
      else server.close()
    },
  }
}

function settle(fd: number, path: string, mode: number): Stats {
  try {
    // A default ACL of the folder overrides the umask.
    chmodSync(path, mode)
    return lstatSync(path)
  } catch (thrown) {
    closeSync(fd)
    throw unusable(path, `was bound and is gone: ${messageOf(thrown)}`)
  }
}

async function removeStale(path: string): Promise<void> {
  expectSocket(path, lstatSync(path, { throwIfNoEntry: false }))
  // Only a refused connection says that nobody listens: a full backlog or a missing permission does not.
  const { state } = await probeSocket(path)
  if (state !== 'refused' && state !== 'absent') throw inUse(path)
  try {
    rmSync(path, { force: true })
  } catch (thrown) {
    throw unusable(path, `is left over and cannot be removed: ${messageOf(thrown)}; remove it`)
  }
}

function expectSocket(path: string, stat: Stats | undefined): void {
  if (stat === undefined || stat.isSocket()) return
  const what = stat.isSymbolicLink() ? 'a symbolic link' : 'no socket'
  throw unusable(path, `exists and is ${what}; it is left alone: remove it or choose another path`)
}

function inUse(path: string): SpindleError {
  return unusable(
    path,
    'is served, or being taken, by another process; stop it or choose another path',
  )
}

function unusable(path: string, why: string): SpindleError {
  return new SpindleError('socket_unusable', `${path} ${why}`)
}
