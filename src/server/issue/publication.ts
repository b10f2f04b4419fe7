/** Keeps this server's part of the own bundle, and its rows of the journal, in the store; what nobody needs any more goes. */
import type { AuthorityState } from '../../authority/authority.ts'
import type { JwtAuthorityState } from '../../authority/jwt/jwt-authority.ts'
import type { JwtSlot } from '../../authority/jwt/jwt-slot.ts'
import type { CaSlot } from '../../authority/slot.ts'
import type { RotatingSlot } from '../../authority/slots/rotation.ts'
import type { Announcer } from '../../authority/slots/slot-kind.ts'
import type { Clock, Timer } from '../../runtime/clock.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type { JournaledAuthority, PublicKey, StoredBundle } from '../../store/model.ts'
import type { Store } from '../../store/port.ts'
import {
  aboveAnnouncement,
  jwtAnnouncement,
  ofFormerSource,
  partOf,
  reconciled,
  x509Announcement,
} from './journal.ts'
import type { Announcement, Part } from './journal.ts'
import { anchorsOf, KEPT_EXPIRED_MS, lacksPart, withoutExpired, withPart } from './own-bundle.ts'
import type { OwnPart } from './own-bundle.ts'

export interface PublicationOptions {
  readonly trustDomain: TrustDomain
  readonly serverId: string
  /** Where its CA certificates come from. */
  readonly source: string
  readonly store: Pick<Store, 'bundles' | 'authorities' | 'servers'>
  readonly clock: Clock
  /** Told that the store could not be brought up to date, and then that it could (undefined). */
  readonly onFault: (fault: string | undefined) => void
}

export interface Publication {
  readonly x509: Announcer<CaSlot, AuthorityState>
  readonly jwt: Announcer<JwtSlot, JwtAuthorityState>
  /**
   * Told of the JWT keys that a server above has in its bundle. @returns those it has not: of servers below this one.
   * @throws SpindleError `store_unavailable`
   */
  above(keys: readonly PublicKey[]): Promise<readonly PublicKey[]>
  /** Told of the bundle as it is in the store: puts back what is missing of this server's part. */
  check(bundle: StoredBundle | undefined): void
  /**
   * Begins to say that this server is there, and to tidy up. A store that takes no change does not stop a server that it knows.
   * @throws SpindleError `store_unavailable`
   */
  start(): Promise<void>
  close(): Promise<void>
}

/** Whoever looks at `lastSeen` thinks in minutes. */
const SEEN_EVERY_MS = 60_000
const TIDY_EVERY_MS = 10 * 60_000

export function createPublication(options: PublicationOptions): Publication {
  const { trustDomain, serverId, source, store, clock, onFault } = options
  const announced = new Map<Part, Announcement>()
  /** Ids, as they were journaled since the start. */
  const everOwn = new Map<Part, ReadonlySet<string>>()
  let line: Promise<unknown> = Promise.resolve()
  let timer: Timer | undefined
  let tidiedAt = -Infinity
  let aboveContent: string | undefined
  let [closed, faulty, copied] = [false, false, false]

  const inLine = <T>(run: () => Promise<T>): Promise<T> => {
    const turn = line.then(run, run)
    line = turn.catch(() => undefined)
    return turn
  }
  const changeBundle = (part: OwnPart): Promise<unknown> =>
    store.bundles.change(trustDomain, (current) => withPart(trustDomain, current, part))
  /** Of the bundle goes what was in it for the sake of `former` and is not for that of `needed`. */
  const goneOf = (
    former: readonly JournaledAuthority[],
    needed: readonly JournaledAuthority[],
  ): ReadonlySet<string> => {
    const still = new Set(needed.flatMap(anchorsOf))
    return new Set(former.flatMap(anchorsOf).filter((id) => !still.has(id)))
  }
  /** False for what this process never had, from its second look on: somebody runs on a copy of `stateDir`. */
  const isOwn = (kind: Part, { authorityId }: JournaledAuthority): boolean => {
    if (everOwn.get(kind)?.has(authorityId) ?? true) return true
    if (!copied)
      onFault(`another server runs with a copy of stateDir: both are ${serverId} to the store`)
    copied = true
    return false
  }
  const publish = async (kind: Part): Promise<void> => {
    const wanted = announced.get(kind)
    if (wanted === undefined) return
    const now = clock.now()
    const rows = await store.authorities.list()
    const former = rows.filter(
      (row) => row.serverId === serverId && partOf(row) === kind && isOwn(kind, row),
    )
    const rest = rows.filter((row) => !former.includes(row))
    const still = former.flatMap((row) => ofFormerSource(row, source, now) ?? [])
    const own = [...still, ...wanted.rows]
    // The bundle first: whatever is journaled is in it.
    await changeBundle({ ...wanted, gone: goneOf(former, [...rest, ...own]) })
    const ids = new Set(own.map(({ authorityId }) => authorityId))
    everOwn.set(kind, new Set([...(everOwn.get(kind) ?? []), ...ids]))
    const left = former.filter(({ authorityId }) => !ids.has(authorityId))
    // The server above would give a key back that was revoked here.
    const isRemembered = (row: JournaledAuthority): boolean =>
      source === 'server' && kind === 'jwt' && now < row.notAfter
    await Promise.all([
      ...own.map(keep),
      ...left.map((row) => (isRemembered(row) ? keep({ ...row, source: 'revoked' }) : forget(row))),
    ])
  }
  const publishAbove = async (keys: readonly PublicKey[]): Promise<readonly PublicKey[]> => {
    const rows = await store.authorities.list()
    const own = new Set(rows.flatMap((row) => (partOf(row) === 'above' ? [] : [row.authorityId])))
    const next = aboveAnnouncement(
      serverId,
      keys.filter(({ keyId }) => !own.has(keyId)),
    )
    const content = JSON.stringify(next.rows)
    // It is asked for every few seconds.
    if (content !== aboveContent) {
      announced.set('above', next)
      await publish('above')
      aboveContent = content
    }
    const known = new Set([...own, ...keys.map(({ keyId }) => keyId)])
    const bundle = await store.bundles.get(trustDomain)
    return (bundle?.jwtAuthorities ?? []).filter(
      ({ keyId, tainted, expiresAt = Infinity }) =>
        !known.has(keyId) && !tainted && clock.now() < expiresAt,
    )
  }
  const keep = (row: JournaledAuthority): Promise<unknown> =>
    store.authorities.change(row, () => row)
  const forget = (row: JournaledAuthority): Promise<unknown> =>
    store.authorities.change(row, () => undefined)
  const tidy = async (): Promise<void> => {
    const now = clock.now()
    const rows = await store.authorities.list()
    // After the rows: a server is there before its authorities are.
    const known = new Set((await store.servers.list()).map(({ id }) => id))
    const isNeeded = (row: JournaledAuthority): boolean =>
      known.has(row.serverId) && now < row.notAfter + KEPT_EXPIRED_MS
    const former = rows.filter((row) => !isNeeded(row))
    if (former.length > 0) {
      await changeBundle({ x509: [], jwt: [], gone: goneOf(former, rows.filter(isNeeded)) })
      await Promise.all(former.map(forget))
    }
    await store.bundles.change(trustDomain, (bundle) => bundle && withoutExpired(bundle, now))
  }
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await inLine(work)
      if (faulty) onFault(undefined)
      faulty = false
    } catch (thrown) {
      faulty = true
      onFault(messageOf(thrown))
    }
  }
  const beat = async (): Promise<void> => {
    await store.servers.seen(serverId, clock.now())
    if (clock.monotonic() - tidiedAt < TIDY_EVERY_MS) return
    for (const kind of announced.keys()) await publish(kind)
    await tidy()
    tidiedAt = clock.monotonic()
  }
  const arm = (): void => {
    if (closed) return
    timer = clock.after(SEEN_EVERY_MS, () => void attempt(beat).then(arm))
  }
  const announcer = <Slot extends RotatingSlot, State>(
    kind: Part,
    says: (state: State, slots: readonly Slot[]) => Announcement,
  ): Announcer<Slot, State> => ({
    async reconciled(kept) {
      const rows = await store.authorities.list()
      const own = rows.filter((row) => row.serverId === serverId && partOf(row) === kind)
      const same = own.filter((row) => ofFormerSource(row, source, clock.now()) === undefined)
      return reconciled(kept, same, clock.now())
    },
    announce(state, slots) {
      announced.set(kind, says(state, slots))
      return inLine(() => publish(kind))
    },
  })

  return {
    x509: announcer('x509', (state, slots) => x509Announcement(options, state, slots)),
    jwt: announcer('jwt', (_, slots) => jwtAnnouncement(serverId, slots)),
    above: (keys) => inLine(() => publishAbove(keys)),
    check(bundle) {
      const lacking = Array.from(announced.entries()).filter(([, { x509, jwt }]) =>
        lacksPart(bundle, { x509, jwt }),
      )
      for (const [kind] of lacking) if (!closed) void attempt(() => publish(kind))
    },
    async start() {
      try {
        await inLine(beat)
      } catch (thrown) {
        // A full disk is no reason not to serve what is there. One that is not known must be, before its authorities are.
        if (!(await store.servers.list()).some(({ id }) => id === serverId)) throw thrown
        faulty = true
        onFault(messageOf(thrown))
      }
      arm()
    },
    async close() {
      closed = true
      timer?.cancel()
      await line
    },
  }
}
