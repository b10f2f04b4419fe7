/** The unix attestor: SPIRE's selectors of a local process, each believed only if the process that connected has it. */
import type { EffectiveIds } from '../../os/peer-credentials.ts'
import { createAccounts } from '../../os/process/accounts.ts'
import type { Accounts } from '../../os/process/accounts.ts'
import { findHostRoot, whyNotOnHost } from '../../os/process/host-root.ts'
import {
  executableIdentity,
  readStartTime,
  readStatus,
  withProcess,
} from '../../os/process/process.ts'
import type { OpenExecutable, ProcessReading } from '../../os/process/process.ts'
import type { Selector, SelectorKind } from '../../registration/selector.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SpindleError, codeOf, messageOf } from '../../runtime/errors.ts'
import type { Connection, Peer } from '../accept/connection.ts'
import type { Attestation, Attestor } from './attestor.ts'
import { createDigests } from './digests.ts'
import type { Digests } from './digests.ts'

export interface UnixAttestorConfig {
  /** Whether `unix:path` is given. */
  readonly path: boolean
  /** Whether `unix:sha256` is given. */
  readonly sha256: boolean
  /** bytes; a larger executable has no `unix:sha256`. */
  readonly sha256MaxBytes: number
}

export interface UnixAttestorOptions {
  readonly clock: Clock
  readonly config: UnixAttestorConfig
  readonly procRoot?: string
  /** Prefix of the host's files; found by itself if not said. */
  readonly hostRoot?: string
  readonly digests?: Digests
  /** What a peer runs as now, where the kernel says it of the pidfd; else /proc is read. */
  readonly effectiveIds?: (peer: Peer) => EffectiveIds | undefined
  /** As `executableIdentity`, for less, where it can be had. */
  readonly executableOf?: (peer: Peer) => string | undefined
}

/** A process may exec while it is read (a wrapper script does); it is read again before the caller has to wait. */
const READINGS = 3

export function createUnixAttestor(options: UnixAttestorOptions): Attestor {
  const procRoot = options.procRoot ?? '/proc'
  const hostRoot = options.hostRoot ?? findHostRoot(procRoot)
  const context: Context = {
    config: options.config,
    hostRoot,
    accounts: createAccounts(hostRoot),
    digests: options.digests ?? createDigests({ clock: options.clock }),
  }
  const looks: Looks = {
    executableOf: options.executableOf ?? ((peer) => executableIdentity(peer.pid, procRoot)),
    idsOf: (peer) => options.effectiveIds?.(peer) ?? readStatus(peer.pid, procRoot),
  }
  const unchanged = (connection: Connection, before: Before): boolean =>
    unchangedSince(connection, before, looks)
  const attestOnce = (
    connection: Connection,
    wanted: ReadonlySet<SelectorKind>,
  ): Promise<Attestation> => {
    const { pid } = connection.peer
    return withProcess(pid, procRoot, async (reading) => {
      expectSameProcess(connection.peer, reading, procRoot)
      const findings = new Findings()
      findIds(findings, reading, context.accounts)
      await findExecutable(findings, { connection, reading, wanted }, context)
      // Hashing took its time: the process may have ended, or run another program by now.
      const { euid, egid, executable } = reading
      const identity = typeof executable === 'string' ? undefined : executable.identity
      if (!unchanged(connection, { euid, egid, identity })) {
        throw new SpindleError('not_ready', `process ${pid} changed while it was attested`)
      }
      return findings.attestation(reading, { pid, at: options.clock.now() })
    })
  }
  return {
    async attest(connection, wanted) {
      for (let reading = 1; ; reading++) {
        try {
          return await attestOnce(connection, wanted)
        } catch (thrown) {
          // Whatever failed to be read, a peer that has ended is the reason.
          if (!connection.alive()) throw gone(connection.peer, 'has ended')
          if (codeOf(thrown) !== 'not_ready' || reading === READINGS) throw thrown
        }
      }
    },
    unchanged: (connection, before) =>
      unchanged(connection, {
        euid: before.process.uid,
        egid: before.process.gid,
        identity: before.process.exeIdentity,
      }),
  }
}

interface Context {
  readonly config: UnixAttestorConfig
  readonly hostRoot: string
  readonly accounts: Accounts
  readonly digests: Digests
}

/** Collects what is found about one process. */
class Findings {
  readonly #selectors = new Set<Selector>()
  readonly #unknownKinds = new Set<SelectorKind>()
  readonly #notes: string[] = []

  give(kind: UnixKind, value: string | number): void {
    this.#selectors.add(`unix:${kind}:${value}` as Selector)
  }

  note(text: string): void {
    this.#notes.push(text)
  }

  unknown(kinds: readonly UnixKind[], why: string): void {
    for (const kind of kinds) this.#unknownKinds.add(`unix:${kind}`)
    this.note(`${kinds.map((kind) => `unix:${kind}`).join(', ')} not known now: ${why}`)
  }

  attestation(
    reading: ProcessReading,
    of: { readonly pid: number; readonly at: number },
  ): Attestation {
    const { executable, euid: uid, egid: gid } = reading
    const program =
      typeof executable === 'string'
        ? {}
        : {
            ...(executable.path === undefined ? {} : { exe: executable.path }),
            exeIdentity: executable.identity,
          }
    return {
      selectors: this.#selectors,
      unknownKinds: this.#unknownKinds,
      notes: this.#notes,
      process: { pid: of.pid, uid, gid, ...program },
      at: of.at,
    }
  }
}

type UnixKind =
  'uid' | 'user' | 'gid' | 'group' | 'supplementary_gid' | 'supplementary_group' | 'path' | 'sha256'

/** Whether the process lives still is asked once all has been read: until then a pidfd keeps its number for it. */
function expectSameProcess(peer: Peer, { euid }: ProcessReading, procRoot: string): void {
  if (peer.pidfd === undefined && readStartTime(peer.pid, procRoot) !== peer.startTime)
    throw gone(peer, 'is another one by now')
  // A set-uid program executed after connect(2) must not lend its uid to who began the connection, nor the reverse.
  if (euid !== peer.uid) throw gone(peer, `became uid ${euid}; uid ${peer.uid} connected`)
}

function findIds(findings: Findings, reading: ProcessReading, accounts: Accounts): void {
  const { euid, egid, groups } = reading
  findings.give('uid', euid)
  findings.give('gid', egid)
  for (const gid of groups) findings.give('supplementary_gid', gid)
  try {
    const user = accounts.userName(euid)
    if (user === undefined) findings.note(`unix:user: uid ${euid} has no name in /etc/passwd`)
    else findings.give('user', user)
  } catch (thrown) {
    findings.unknown(['user'], messageOf(thrown))
  }
  try {
    const group = accounts.groupName(egid)
    if (group === undefined) findings.note(`unix:group: gid ${egid} has no name in /etc/group`)
    else findings.give('group', group)
    for (const gid of groups) {
      const name = accounts.groupName(gid)
      if (name !== undefined) findings.give('supplementary_group', name)
    }
  } catch (thrown) {
    findings.unknown(['group', 'supplementary_group'], messageOf(thrown))
  }
}

interface Subject {
  readonly connection: Connection
  readonly reading: ProcessReading
  readonly wanted: ReadonlySet<SelectorKind>
}

async function findExecutable(
  findings: Findings,
  { connection, reading, wanted }: Subject,
  { config, hostRoot, digests }: Context,
): Promise<void> {
  const { executable } = reading
  const wantsHash = wanted.has('unix:sha256')
  if (!config.path && wanted.has('unix:path')) {
    findings.note('unix:path is switched off (attestors.unix.path)')
  }
  if (!config.sha256 && wantsHash) {
    findings.note('unix:sha256 is switched off (attestors.unix.sha256)')
  }
  if (typeof executable === 'string') {
    const kinds = [config.path ? 'path' : undefined, config.sha256 ? 'sha256' : undefined] as const
    const blocked = kinds.filter((kind) => kind !== undefined)
    if (blocked.length > 0) findings.unknown(blocked, executable)
    return
  }
  if (config.path) findPath(findings, executable, hostRoot)
  if (!config.sha256 || !wantsHash) return
  if (executable.size > BigInt(config.sha256MaxBytes)) {
    findings.note(
      `unix:sha256: the executable has ${executable.size} bytes, more than the ${config.sha256MaxBytes} that are hashed`,
    )
    return
  }
  try {
    const digest = await digests.sha256(executable, connection.peer.uid, () => !connection.closed)
    if (digest === undefined)
      findings.unknown(['sha256'], 'the executable changed while it was read')
    else findings.give('sha256', digest)
  } catch (thrown) {
    findings.unknown(['sha256'], messageOf(thrown))
  }
}

function findPath(findings: Findings, executable: OpenExecutable, hostRoot: string): void {
  const { path } = executable
  if (path === undefined) {
    findings.note('unix:path: the path of the executable is not UTF-8')
    return
  }
  const why =
    executable.links === 0n
      ? `the executable was deleted or replaced after it was started (${path})`
      : whyNotOnHost(hostRoot, path, executable)
  if (why === undefined) findings.give('path', path)
  else findings.note(`unix:path: ${why}`)
}

interface Before {
  readonly euid: number
  readonly egid: number
  readonly identity: string | undefined
}

interface Looks {
  readonly executableOf: (peer: Peer) => string | undefined
  readonly idsOf: (peer: Peer) => EffectiveIds
}

function unchangedSince(
  connection: Connection,
  before: Before,
  { executableOf, idsOf }: Looks,
): boolean {
  const { peer } = connection
  try {
    const identity = executableOf(peer)
    const { euid, egid } = idsOf(peer)
    const same = euid === before.euid && egid === before.egid && identity === before.identity
    return same && connection.alive()
  } catch {
    return false
  }
}

function gone({ pid }: Peer, why: string): SpindleError {
  return new SpindleError('peer_gone', `process ${pid} ${why}`)
}
