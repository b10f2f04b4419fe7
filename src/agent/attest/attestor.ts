import type { Selector, SelectorKind } from '../../registration/selector.ts'
import type { Connection } from '../accept/connection.ts'

/** What is read about a process for people, beside its selectors. */
export interface ProcessFacts {
  readonly pid: number
  readonly uid: number
  readonly gid: number
  /** As /proc/PID/exe reads; not proof of anything by itself. */
  readonly exe?: string
  /** `dev:ino:size:mtime:ctime` of the open executable: another value means another program. */
  readonly exeIdentity?: string
}

export interface Attestation {
  readonly selectors: ReadonlySet<Selector>
  /** Kinds that could not be looked up now: retried, never taken for absent. */
  readonly unknownKinds: ReadonlySet<SelectorKind>
  /** Why a selector is not given or not known, one line each, for `explain` and the log. */
  readonly notes: readonly string[]
  readonly process: ProcessFacts
  /** ms since the epoch */
  readonly at: number
}

/** Looks a caller up. Only kinds in `wanted` need be dear (a hash is made only when an entry asks for one). */
export interface Attestor {
  /** @throws SpindleError `peer_gone` when the process ended or changed meanwhile. */
  attest(connection: Connection, wanted: ReadonlySet<SelectorKind>): Promise<Attestation>
  /** Cheap enough for every answer: whether the process lives and still runs the program that was attested, as the same uid. */
  unchanged(connection: Connection, before: Attestation): boolean
}
