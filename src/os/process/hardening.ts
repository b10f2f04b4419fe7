import { SpindleError } from '../../runtime/errors.ts'
import { errnoName } from '../libc.ts'
import type { Libc } from '../libc.ts'

const PR_GET_DUMPABLE = 3
const PR_SET_DUMPABLE = 4
const RLIMIT_CORE = 4
const RLIMIT_NOFILE = 7

/**
 * Keeps private keys out of core dumps and out of reach of other processes of the same uid (ptrace, /proc/PID/mem).
 * Our own /proc/self files belong to root from here on.
 * @throws SpindleError `internal` when the kernel refuses
 */
export function forbidInspection(libc: Libc): void {
  expectZero('setrlimit(RLIMIT_CORE)', libc.setrlimit(RLIMIT_CORE, { soft: 0n, hard: 0n }))
  expectZero('prctl(PR_SET_DUMPABLE)', libc.prctl(PR_SET_DUMPABLE, 0))
  if (isInspectable(libc)) throw new SpindleError('internal', 'the process can still be inspected')
}

export function isInspectable(libc: Libc): boolean {
  return libc.prctl(PR_GET_DUMPABLE, 0) !== 0
}

/**
 * Raises the soft limit of open descriptors to the hard one; a refusal leaves it as it is.
 * @returns the number of descriptors the process may now open
 */
export function raiseOpenFiles(libc: Libc): number {
  const before = libc.getrlimit(RLIMIT_NOFILE)
  if (typeof before === 'number') {
    throw new SpindleError('internal', `getrlimit(RLIMIT_NOFILE): ${errnoName(-before)}`)
  }
  const raised = libc.setrlimit(RLIMIT_NOFILE, { soft: before.hard, hard: before.hard }) === 0
  const limit = raised ? before.hard : before.soft
  // RLIM_INFINITY is 2^64 - 1: not a number to reckon with.
  return Number(limit < 1n << 30n ? limit : 1n << 30n)
}

function expectZero(call: string, result: number): void {
  if (result === 0) return
  throw new SpindleError('internal', `${call}: ${errnoName(-result)}`)
}
