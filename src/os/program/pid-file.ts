import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { SpindleError, messageOf } from '../../runtime/errors.ts'
import { readStatus } from '../process/process.ts'

const GROUP_OR_OTHERS_WRITE = 0o022
/** Of the file that is read: a pid file's first line is a number, and PostgreSQL's has a few lines more. */
const MOST_BYTES = 4096

/**
 * Signals the process that a pid file names. Whoever writes such a file says whom we signal, and we may be root: so it must
 * belong to root, to us, or to the user of that very process, and nobody else may write it.
 * @returns the pid
 * @throws SpindleError `after_failed`
 */
export function signalByPidFile(
  pidFile: string,
  { name, uid }: { readonly name: NodeJS.Signals; readonly uid: number },
): number {
  const { text, owner } = read(pidFile)
  const pid = Number(/^\s*(\d{1,10})\s*(?:\n|$)/.exec(text)?.[1] ?? 0)
  if (pid === 0) throw failed(pidFile, 'does not begin with the number of a process')
  if (pid === process.pid) throw failed(pidFile, 'names this very process')
  const runner = uidOf(pid, pidFile)
  if (![0, uid, runner].includes(owner))
    throw failed(
      pidFile,
      `belongs to uid ${owner}, who may not say that process ${pid} of uid ${runner} is signalled`,
    )
  try {
    process.kill(pid, name)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    throw failed(pidFile, `names process ${pid}, which cannot be signalled (${code})`)
  }
  return pid
}

function read(pidFile: string): { text: string; owner: number } {
  let fd: number
  try {
    // Non-blocking: opening a FIFO would wait for its writer.
    fd = openSync(pidFile, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (thrown) {
    throw failed(pidFile, `cannot be read: ${messageOf(thrown)}`)
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw failed(pidFile, 'is not a file')
    if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0)
      throw failed(pidFile, 'may be written by its group or by others')
    const bytes = Buffer.alloc(MOST_BYTES)
    const count = readSync(fd, bytes, 0, MOST_BYTES, 0)
    return { text: bytes.toString('latin1', 0, count), owner: stat.uid }
  } finally {
    closeSync(fd)
  }
}

function uidOf(pid: number, pidFile: string): number {
  try {
    return readStatus(pid, '/proc').euid
  } catch {
    throw failed(pidFile, `names process ${pid}, which is not there`)
  }
}

function failed(pidFile: string, why: string): SpindleError {
  return new SpindleError('after_failed', `${pidFile} ${why}`)
}
