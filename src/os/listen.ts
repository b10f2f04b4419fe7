/**
 * A listening Unix socket at a path that is certainly ours. The socket is bound here and handed to Node as a descriptor:
 * a server Node binds itself removes whatever is at its path when it closes, another process's socket included.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, closeSync, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { constants } from 'node:os'
import { dirname, isAbsolute, normalize } from 'node:path'
import { SpindleError, messageOf } from '../runtime/errors.ts'
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
  /** Begins to accept; call it once. Until then connections are made and wait in the kernel. */
  accept(take: (socket: Socket) => void): void
  /** Stops listening. The path stays for the next agent unless `remove`, and is removed only if it is still ours. */
  close(options?: { readonly remove?: boolean }): void
}

/** sun_path has 108 bytes, the last of them a NUL. */
const LONGEST_PATH_BYTES = 107
/** As many as the kernel lets wait (net.core.somaxconn): every sidecar of a host comes back at once after a restart. */
const BACKLOG = 4096
const ATTEMPTS = 3

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
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const fd = bind(libc, path, options.mode)
    if (fd !== undefined) return createListener(fd, path, options.mode)
    await removeStale(path)
  }
  throw unusable(path, 'is taken by other processes again and again; see who else serves it')
}

function checkPath(path: string): void {
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
  if (-fd === constants.errno.EADDRINUSE) return undefined
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
      server = createServer(take).listen({ fd, backlog: BACKLOG })
    },
    close({ remove = false } = {}) {
      if (closed) return
      closed = true
      const now = remove ? lstatSync(path, { throwIfNoEntry: false }) : undefined
      if (now !== undefined && now.ino === own.ino && now.dev === own.dev) unlinkSync(path)
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

/**
 * Removes a socket nobody listens on. It is moved aside first and asked once more there, so that of two agents that start
 * at once neither can remove the socket the other has just bound.
 */
async function removeStale(path: string): Promise<void> {
  expectSocket(path, lstatSync(path, { throwIfNoEntry: false }))
  if (await isLive(path)) throw inUse(path)
  const aside = `${dirname(path)}/.${randomUUID().slice(0, 8)}`
  try {
    renameSync(path, aside)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return
    throw unusable(path, `is left over and cannot be removed: ${messageOf(thrown)}; remove it`)
  }
  if (await isLive(aside)) {
    linkSync(aside, path)
    unlinkSync(aside)
    throw inUse(path)
  }
  unlinkSync(aside)
}

function expectSocket(path: string, stat: Stats | undefined): void {
  if (stat === undefined || stat.isSocket()) return
  const what = stat.isSymbolicLink() ? 'a symbolic link' : 'no socket'
  throw unusable(path, `exists and is ${what}; it is left alone: remove it or choose another path`)
}

/** Only a refused connection says that nobody listens: a full backlog or a missing permission does not. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    )
  })
}

function inUse(path: string): SpindleError {
  return unusable(path, 'is served by another process; stop it or choose another path')
}

function unusable(path: string, why: string): SpindleError {
  return new SpindleError('socket_unusable', `${path} ${why}`)
}
