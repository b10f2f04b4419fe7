/** What /proc says of a process's rights and limits; open to every user. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { readStatus } from '../process/process.ts'

const CAP_SYS_PTRACE = 19n

/** Whether CAP_SYS_PTRACE is in effect; undefined where there is no such process. */
export function hasPtrace(pid: number | 'self', procRoot = '/proc'): boolean | undefined {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readProc(`${procRoot}/${pid}/status`))?.[1]
  return digits === undefined ? undefined : ((BigInt(`0x${digits}`) >> CAP_SYS_PTRACE) & 1n) === 1n
}

/**
 * Tries it: whether this process may see what a process of another user executes.
 * @returns undefined where there is no process of another user to try it on
 */
export function maySeeExecutables(procRoot = '/proc'): boolean | undefined {
  const own = process.geteuid?.()
  for (const name of readdirSync(procRoot)) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    try {
      if (readStatus(pid, procRoot).euid === own) continue
      readlinkSync(`${procRoot}/${pid}/exe`)
      return true
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException
      if (code === 'EACCES' || code === 'EPERM') return false
      // A thread of the kernel executes nothing, and a process may end meanwhile.
    }
  }
  return undefined
}

/** The hard limit of open descriptors: the agent raises its soft one to it. undefined: there is no such process. */
export function openFilesLimit(pid: number | 'self', procRoot = '/proc'): number | undefined {
  const text = readProc(`${procRoot}/${pid}/limits`)
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(text)?.[1]
  if (hard === undefined) return undefined
  return hard === 'unlimited' ? 2 ** 30 : Math.min(Number(hard), 2 ** 30)
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
