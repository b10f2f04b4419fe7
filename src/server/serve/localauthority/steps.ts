/** What can be done with an authority of this server, alike for X.509 and JWT, by SPIRE's rules and in its words. */
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { AuthorityStateSchema } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import type { SlotView, Withdrawals } from '../../../authority/authority.ts'
import { codeOf, ERRORS } from '../../../runtime/errors.ts'
import type { Feed } from '../../../runtime/feed.ts'
import { status } from '../../../runtime/grpc-status.ts'
import type { Store } from '../../../store/port.ts'
import type { Audit } from '../../audit/audit.ts'
import type { Registry } from '../../enroll/registry.ts'
import type { Issuing } from '../../issue/issuing.ts'
import type { FleetView } from '../../publish/fleet-view.ts'
import type { Asked } from '../service.ts'
import { invalid, refused, worded, asCall } from '../worded.ts'

export interface LocalAuthorityParts {
  readonly issuing: Pick<Issuing, 'serverId' | 'x509' | 'jwt' | 'svid'>
  readonly store: Pick<Store, 'authorities' | 'bundles'>
  readonly registry: Pick<Registry, 'shown'>
  readonly audit: Audit
  /** What connected agents hold. */
  readonly fleet: Pick<FleetView, 'everywhere'>
}

export type State = MessageInitShape<typeof AuthorityStateSchema>

/** An X.509 or a JWT authority. */
interface Rotating extends Withdrawals {
  readonly state: Feed<{ readonly slots: readonly SlotView[] }>
  prepare(): Promise<void>
  activate(): Promise<void>
}

export interface Steps {
  show(): Promise<{ readonly active?: State; readonly prepared?: State; readonly old?: State }>
  prepare(asked: Asked): Promise<State>
  activate(id: string, asked: Asked): Promise<State>
  taint(id: string, asked: Asked): Promise<State>
  revoke(id: string, asked: Asked): Promise<State>
  /** Whether one can be tainted and revoked: not where what is trusted is a CA above it. */
  withdraws(): Promise<boolean>
}

const NAMES = { x509: 'X.509', jwt: 'JWT' } as const

/** Of those there are the one that would sign next; undefined: none is prepared. */
export const successor = (slots: readonly SlotView[]): SlotView | undefined =>
  slots.find(({ status: is, activatesAt }) => is === 'prepared' && activatesAt !== undefined)

export const activeOf = (slots: readonly SlotView[]): SlotView | undefined =>
  slots.find(({ status: is }) => is === 'active')

/** Of those that sign no more the one that did last: where there are several the others are on their way out. */
export const lastOld = (slots: readonly SlotView[]): SlotView | undefined =>
  slots
    .filter(({ status: is }) => is === 'old' || is === 'tainted')
    .toSorted((one, other) => other.notAfter - one.notAfter)[0]

export function createSteps(kind: 'x509' | 'jwt', parts: LocalAuthorityParts): Steps {
  const authority: Rotating = parts.issuing[kind]
  const slots = (): readonly SlotView[] => authority.state.current.slots
  const upstreams = kind === 'x509' ? () => upstreamKeys(parts) : () => Promise.resolve(new Map())
  const stateOf = async (slot: SlotView): Promise<State> => {
    const { authorityId, notAfter } = slot
    const above = (await upstreams()).get(authorityId)
    const expiresAt = BigInt(Math.floor(notAfter / 1000))
    return { authorityId, expiresAt, ...(above && { upstreamAuthoritySubjectKeyId: above }) }
  }
  const done = async (
    action: string,
    slot: SlotView,
    { caller, method }: Asked,
  ): Promise<State> => {
    const key = slot.authorityId
    parts.audit.write({ event: 'changed', caller, method, object: 'authority', key, action })
    await parts.registry.shown()
    return stateOf(slot)
  }
  const expectActive = (): SlotView => {
    const active = activeOf(slots())
    if (active === undefined) throw refused(status.UNAVAILABLE, 'server is initializing')
    return active
  }
  const withdraws = async (): Promise<boolean> => (await upstreams()).size === 0
  const withdraw = async (what: 'taint' | 'revoke', id: string, asked: Asked): Promise<State> => {
    const slot = slots().find(({ authorityId }) => authorityId === id)
    if (what === 'revoke' && slot?.status === 'old' && (await withdraws())) throw untainted(kind)
    await attempt(undefined, () => authority[what](id))
    return done(what, slot!, asked)
  }
  return {
    async show() {
      const prepared = successor(slots())
      const old = lastOld(slots())
      return {
        active: await stateOf(expectActive()),
        ...(prepared && { prepared: await stateOf(prepared) }),
        ...(old && { old: await stateOf(old) }),
      }
    },
    async prepare(asked) {
      expectActive()
      const what = `failed to prepare ${NAMES[kind]} authority`
      await attempt(what, () => authority.prepare())
      const prepared = successor(slots())
      if (prepared === undefined) throw refused(status.ABORTED, `${what}: it signs already`)
      return done('prepare', prepared, asked)
    },
    async activate(id, asked) {
      if (id === '') throw invalid('no authority ID provided')
      const next = successor(slots())
      if (next?.authorityId !== id) throw notPrepared(slots(), id)
      try {
        await attempt(`failed to activate ${NAMES[kind]} authority`, () => authority.activate())
      } catch (refusal) {
        // Another operator was first.
        throw successor(slots())?.authorityId === id ? refusal : notPrepared(slots(), id)
      }
      const active = expectActive()
      if (active.authorityId !== id) throw notPrepared(slots(), id)
      return done('activate', active, asked)
    },
    taint: (id, asked) => withdraw('taint', id, asked),
    revoke: (id, asked) => withdraw('revoke', id, asked),
    withdraws,
  }
}

/** What holds SVIDs of a tainted one has them signed anew; one that is not would take them away. */
function untainted(kind: 'x509' | 'jwt'): unknown {
  const why = `it is not possible to revoke an untainted ${kind === 'x509' ? 'root CA' : 'key'}`
  const what = `failed to revoke ${NAMES[kind]} authority`
  return refused(status.FAILED_PRECONDITION, what, new Error(why))
}

function notPrepared(slots: readonly SlotView[], id: string): unknown {
  const slot = slots.find(({ authorityId }) => authorityId === id)
  // SPIRE looks at the slot beside the active one alone.
  if (slot === undefined || slot.status === 'active') return invalid('unexpected authority ID')
  const why = new Error(`unsupported local authority status: ${slot.status.toUpperCase()}`)
  return refused(status.INTERNAL, 'only Prepared authorities can be activated', why)
}

/** Errors of authorities are in SPIRE's words already; `what` goes before those that are not. */
async function attempt(what: string | undefined, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === 'internal') throw thrown
    const grpc = ERRORS[code].grpc
    if (what !== undefined) throw refused(grpc, what, thrown)
    throw asCall(worded(grpc, thrown instanceof Error ? thrown.message : ''))
  }
}

/** Subject key ids of what signed the CA certificates of this server, by authority. */
async function upstreamKeys({
  store,
  issuing,
}: LocalAuthorityParts): Promise<ReadonlyMap<string, string>> {
  const rows = await store.authorities.list()
  return new Map(
    rows.flatMap(({ serverId, kind, authorityId, upstreamKeyId }) =>
      serverId === issuing.serverId && kind === 'x509' && upstreamKeyId !== undefined
        ? [[authorityId, upstreamKeyId] as const]
        : [],
    ),
  )
}
