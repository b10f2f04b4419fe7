import { closeSync, readlinkSync, statSync } from 'node:fs'
import { release } from 'node:os'
import koffi from 'koffi'
import type { Libc } from '../libc.ts'

/** `6.18.44` */
export const kernelRelease = (): string => release()

/** PROC_PID_INIT_INO of the kernel: the first pid namespace of the machine has this number, and no other has. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'

/** Whether the pids we see are the machine's own; undefined where that cannot be read. */
export function isHostPidNamespace(procRoot = '/proc'): boolean | undefined {
  try {
    return readlinkSync(`${procRoot}/self/ns/pid`) === FIRST_PID_NAMESPACE
  } catch {
    return undefined
  }
}

/** _IOWR(0xFF, 11, struct pidfd_info) with the 64 bytes the structure had when it came, in Linux 6.13. */
const PIDFD_GET_INFO = 0xc040ff0b
const PIDFD_INFO_BYTES = 64

/** Whether the kernel answers the ioctl PIDFD_GET_INFO. */
export function hasPidfdInfo(libc: Pick<Libc, 'pidfdOpen'>): boolean {
  const pidfd = libc.pidfdOpen(process.pid)
  if (pidfd < 0) return false
  try {
    const ioctl = koffi.load(null).func('ioctl', 'int', ['int', 'ulong', 'void *']) as (
      ...values: unknown[]
    ) => number
    return ioctl(pidfd, PIDFD_GET_INFO, Buffer.alloc(PIDFD_INFO_BYTES)) === 0
  } finally {
    closeSync(pidfd)
  }
}

/** When this program was put on this machine, at the earliest: ms since the epoch of a file's last change. */
export function fileTime(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs
}
