/**
 * What /proc says of a process. A pid is only a number: whatever is read here belongs to the process a pidfd stands for
 * only if that pidfd is still alive after the reading, which is the reader's to ask.
 */
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { SpindleError } from '../../runtime/errors.ts'

/** An open executable. The descriptor is an O_PATH one: it names the file, it does not read it. */
export interface OpenExecutable {
  readonly fd: number
  /** As /proc/PID/exe reads; undefined when it is not valid UTF-8. Any local user can forge it by a bind mount. */
  readonly path: string | undefined
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  /** 0 when the file has been deleted. */
  readonly links: bigint
  /** ms since the epoch of the last change of the file or its attributes */
  readonly changedAt: number
  /** `dev:ino:size:mtime:ctime`. A file's owner can set mtime at will, not ctime. */
  readonly identity: string
}

export interface ProcessReading {
  readonly euid: number
  readonly egid: number
  readonly groups: readonly number[]
  /** A sentence where the executable may not be looked at (CAP_SYS_PTRACE is missing). */
  readonly executable: OpenExecutable | string
}

/** Of Linux’s asm-generic; node:fs does not have it. */
const O_PATH = 0o10000000

/**
 * Reads a process and hands the reading to `use`; the executable's descriptor is closed when `use` settles. The process
 * may have executed another program between two parts of the reading: `use` asks `executableIdentity` when it is done.
 * @throws SpindleError `peer_gone` when there is no such process any more, `not_ready` when it cannot be read now
 */
export async function withProcess<T>(
  pid: number,
  procRoot: string,
  use: (reading: ProcessReading) => Promise<T>,
): Promise<T> {
  const executable = guarded(pid, () => openExecutable(pid, procRoot))
  try {
    const status = guarded(pid, () => readStatus(pid, procRoot))
    return await use({ ...status, executable })
  } finally {
    if (typeof executable !== 'string') closeSync(executable.fd)
  }
}

/** Field 22 of stat, counted from behind the last `)`: the command's name before it may hold anything. */
export function readStartTime(pid: number, procRoot: string): string {
  const stat = readFileSync(`${procRoot}/${pid}/stat`, 'utf8')
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  if (startTime === undefined || !/^\d+$/.test(startTime)) {
    throw new SpindleError('internal', `${procRoot}/${pid}/stat has no start time`)
  }
  return startTime
}

export interface ProcessStatus {
  readonly euid: number
  readonly egid: number
  readonly groups: readonly number[]
}

// The kernel escapes a newline in `Name:`, so a line that begins with `Uid:` is the real one.
const UID_LINE = /^Uid:(.*)$/m
const GID_LINE = /^Gid:(.*)$/m
const GROUPS_LINE = /^Groups:(.*)$/m

/** Effective ids and supplementary groups, as our user namespace numbers them. */
export function readStatus(pid: number, procRoot: string): ProcessStatus {
  const status = readFileSync(`${procRoot}/${pid}/status`, 'utf8')
  const [, euid] = numbersIn(UID_LINE.exec(status))
  const [, egid] = numbersIn(GID_LINE.exec(status))
  const groups = GROUPS_LINE.exec(status)
  if (euid === undefined || egid === undefined || groups === null) {
    throw new SpindleError('internal', `${procRoot}/${pid}/status has no effective ids or groups`)
  }
  return { euid, egid, groups: numbersIn(groups) }
}

function numbersIn(line: RegExpExecArray | null): number[] {
  return (line?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number)
}

/**
 * `dev:ino:size:mtime:ctime` of what the process executes; undefined where we may not know.
 * @throws the error of stat(2), ENOENT when it executes nothing any more
 */
export function executableIdentity(pid: number, procRoot: string): string | undefined {
  try {
    return identityOf(statSync(`${procRoot}/${pid}/exe`, { bigint: true }))
  } catch (thrown) {
    if (isDenied(thrown)) return undefined
    throw thrown
  }
}

function openExecutable(pid: number, procRoot: string): OpenExecutable | string {
  let fd: number
  try {
    fd = openSync(`${procRoot}/${pid}/exe`, O_PATH)
  } catch (thrown) {
    if (!isDenied(thrown)) throw thrown
    return `the executable of process ${pid} may not be read: the agent needs CAP_SYS_PTRACE`
  }
  try {
    const stat = fstatSync(fd, { bigint: true })
    return {
      fd,
      // Of the open file itself, so path and inode cannot be of two different programs.
      path: decodePath(readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' })),
      dev: stat.dev,
      ino: stat.ino,
      size: stat.size,
      links: stat.nlink,
      changedAt: Number(stat.ctimeNs / 1_000_000n),
      identity: identityOf(stat),
    }
  } catch (thrown) {
    closeSync(fd)
    throw thrown
  }
}

function identityOf(stat: BigIntStats): string {
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':')
}

function decodePath(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined
}

function isDenied(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
}

/** A process without the file asked for has ended, or is ending. Anything else is the machine's fault, not its. */
function guarded<T>(pid: number, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof SpindleError) throw thrown
    const { code, message } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') {
      throw new SpindleError('peer_gone', `process ${pid} has ended`, { cause: thrown })
    }
    throw new SpindleError('not_ready', `process ${pid} cannot be read now: ${message}`, {
      cause: thrown,
    })
  }
}
