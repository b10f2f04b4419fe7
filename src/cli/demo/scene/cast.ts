/** Who takes part, and the fact about its socket's other end by which the agent knows each Envoy. */
import { join } from 'node:path'

export const TRUST_DOMAIN = 'example.org'

export type Role = 'api' | 'client' | 'intruder' | 'newcomer'
export const ROLES: readonly Role[] = ['api', 'client', 'intruder', 'newcomer']

/** All but the newcomer have an entry from the start. */
export const REGISTERED: readonly Role[] = ['api', 'client', 'intruder']
/** Whom the API's Envoy lets in. The intruder's identity is as valid as theirs, but not on this list. */
export const ADMITTED: readonly Role[] = ['client', 'newcomer']

/** Root can run each Envoy as a user of its own; anyone else tells them apart by the program's path. */
export type ToldBy = 'uid' | 'path'

export interface Member {
  readonly role: Role
  readonly spiffeId: string
  /** Path of the Envoy it runs. */
  readonly program: string
  readonly uid: number | undefined
  /** What its entry in entries.yaml asks for. */
  readonly selector: string
  /** The file of `envoy/` it runs on. */
  readonly bootstrap: string
}

const FIRST_UID = 20_001

export function castOf(toldBy: ToldBy, programFolder: string): Readonly<Record<Role, Member>> {
  const member = (role: Role): Member => {
    const uid = FIRST_UID + ROLES.indexOf(role)
    const program = join(programFolder, toldBy === 'uid' ? 'envoy' : `envoy-${role}`)
    return {
      role,
      spiffeId: `spiffe://${TRUST_DOMAIN}/${role}`,
      program,
      uid: toldBy === 'uid' ? uid : undefined,
      selector: toldBy === 'uid' ? `unix:uid:${uid}` : `unix:path:${program}`,
      // One of them speaks the other variant of the protocol; nobody should notice.
      bootstrap: role === 'client' ? 'sidecar-sotw.yaml' : 'sidecar-delta.yaml',
    }
  }
  return {
    api: member('api'),
    client: member('client'),
    intruder: member('intruder'),
    newcomer: member('newcomer'),
  }
}

export const selectorValue = ({ selector }: Member): string =>
  selector.replace(/^unix:(uid|path):/, '')
