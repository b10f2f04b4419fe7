import { lstatSync, statSync } from 'node:fs'
import { messageOf } from '../../runtime/errors.ts'

/**
 * The folder from which the host's own files are seen: that of process 1, where the agent may look through it (a
 * contained agent with `hostPID` and CAP_SYS_PTRACE), else the agent's own.
 * @returns a prefix for absolute paths, '' for the agent's own root
 */
export function findHostRoot(procRoot = '/proc'): string {
  const root = `${procRoot}/1/root`
  try {
    // With the slash, or only the link itself would be looked at.
    statSync(`${root}/`)
    return root
  } catch {
    return ''
  }
}

/**
 * Whether `path`, seen from the host's root, is the very file `dev:ino`. Any local user can make its /proc/PID/exe read
 * as any path by a bind mount in a user namespace of its own; the host's root is out of its reach.
 * @returns undefined when it is, else why not
 */
export function whyNotOnHost(
  hostRoot: string,
  path: string,
  file: { readonly dev: bigint; readonly ino: bigint },
): string | undefined {
  const where = hostRoot === '' ? 'in the agent’s file system' : 'on the host'
  // A path the kernel could not connect to a root begins with "(unreachable)".
  if (!path.startsWith('/')) return `${path} is no path ${where}`
  try {
    // lstat: the kernel's own paths hold no symbolic links.
    const found = lstatSync(hostRoot + path, { bigint: true })
    if (found.dev === file.dev && found.ino === file.ino) return undefined
    return `${path} ${where} is another file than the one that runs`
  } catch (thrown) {
    const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT'
    return missing ? `there is no ${path} ${where}` : `${path} ${where}: ${messageOf(thrown)}`
  }
}
