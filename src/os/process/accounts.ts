import { readFileSync, statSync } from 'node:fs'

/** Names of users and groups from the host's /etc/passwd and /etc/group. NSS (LDAP, sssd) is not asked. */
export interface Accounts {
  /** undefined: no such user. @throws the error of the file system when passwd cannot be read */
  userName(uid: number): string | undefined
  /** undefined: no such group. @throws the error of the file system when group cannot be read */
  groupName(gid: number): string | undefined
}

/** `root` is a prefix: '' for the agent's own root. The files are read again when they have changed. */
export function createAccounts(root: string): Accounts {
  const users = createNameFile(`${root}/etc/passwd`)
  const groups = createNameFile(`${root}/etc/group`)
  return { userName: (uid) => users().get(uid), groupName: (gid) => groups().get(gid) }
}

function createNameFile(path: string): () => ReadonlyMap<number, string> {
  let seen = ''
  let names: ReadonlyMap<number, string> = new Map()
  return () => {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    const now = [ino, size, mtimeNs, ctimeNs].join(':')
    if (now !== seen) {
      names = parseNames(readFileSync(path, 'utf8'))
      seen = now
    }
    return names
  }
}

/** `name:password:id:…` a line; of two names with one id the first counts, as with getpwuid(3). */
export function parseNames(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>()
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':')
    // NIS lines (`+`, `-`) and comments name nobody.
    if (name === undefined || !/^[^\s#+-]/.test(name) || id === undefined || !/^\d+$/.test(id))
      continue
    if (!names.has(Number(id))) names.set(Number(id), name)
  }
  return names
}
