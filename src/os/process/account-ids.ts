import { readFileSync } from 'node:fs'

/** Numbers of users and groups by their names in /etc/passwd and /etc/group. NSS (LDAP, sssd) is not asked. */
export interface AccountIds {
  /** undefined: no such user. @throws the error of the file system when passwd cannot be read */
  userId(name: string): number | undefined
  /** undefined: no such group. @throws the error of the file system when group cannot be read */
  groupId(name: string): number | undefined
}

/** `root` is a prefix: '' for the process's own root. */
export function createAccountIds(root: string): AccountIds {
  return {
    userId: (name) => idOf(readFileSync(`${root}/etc/passwd`, 'utf8'), name),
    groupId: (name) => idOf(readFileSync(`${root}/etc/group`, 'utf8'), name),
  }
}

/** `name:password:id:…` a line; the first of a name counts, as with getpwnam(3). */
function idOf(text: string, wanted: string): number | undefined {
  for (const line of text.split('\n')) {
    const [name, , id = ''] = line.split(':')
    if (name === wanted && /^\d+$/.test(id)) return Number(id)
  }
  return undefined
}
