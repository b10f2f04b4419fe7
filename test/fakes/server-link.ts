import type {
  Holds,
  LinkState,
  Served,
  ServedBundle,
  ServerLink,
} from '../../src/agent/obtain/server/link.ts'
import type { ServerX509Authority } from '../../src/authority/authority.ts'
import { createEmbeddedAuthority } from '../../src/authority/embedded.ts'
import { createJwtSlotStore } from '../../src/authority/jwt/jwt-slot.ts'
import { createJwtAuthority } from '../../src/authority/jwt/jwt-slots.ts'
import { createFileSlotStore } from '../../src/authority/slot-file.ts'
import { readCsr } from '../../src/certs/csr/read.ts'
import { parseEntryId } from '../../src/registration/server-entry.ts'
import type { EntryId, ServerEntry } from '../../src/registration/server-entry.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { SpindleError } from '../../src/runtime/errors.ts'
import { createFeed } from '../../src/runtime/feed.ts'
import type { MutableFeed } from '../../src/runtime/feed.ts'
import type { Random } from '../../src/runtime/random.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createStateFile } from './state-file.ts'

const HOUR = 3_600_000
const trustDomain = parseTrustDomain('example.org')

export const serverEntry = (name: string, more: Partial<ServerEntry> = {}): ServerEntry => ({
  id: parseEntryId(name),
  spiffeId: parseSpiffeId(`spiffe://example.org/${name}`),
  parentId: parseSpiffeId('spiffe://example.org/spire/agent/a'),
  selectors: ['unix:uid:1001'] as unknown as ServerEntry['selectors'],
  federatesWith: [],
  dnsNames: [],
  admin: false,
  downstream: false,
  storeSvid: false,
  hint: '',
  disableX509SvidPrefetch: false,
  jwtSvidIncludeJti: false,
  revision: 0,
  createdAt: 0,
  ...more,
})

/** A link to a server in memory, which signs with CAs of its own and can be away. */
export interface FakeLink extends ServerLink {
  readonly served: MutableFeed<Served | undefined>
  readonly state: MutableFeed<LinkState>
  readonly asked: { readonly entryId: EntryId; readonly at: number }[]
  readonly told: Holds[]
  /** What the agent would tell now. */
  holding: () => Holds
  closed: boolean
  ttlMs: number
  /** What it was connected to is away, or back. */
  away(isAway: boolean): void
  serve(entries: readonly ServerEntry[], bundles?: readonly ServedBundle[]): void
  /** Prepares a next CA and has it sign; the one before is tainted where that is asked for, else old. */
  rotate(taint: boolean): Promise<void>
}

export const UP: LinkState = {
  fault: undefined,
  protocol: 'sync',
  bootstrap: 'verified',
  agentId: parseSpiffeId('spiffe://example.org/spire/agent/a'),
  svidNotAfter: 2 ** 50,
  heardAt: 0,
}

export async function createFakeLink(
  clock: Clock,
  random: Random,
  begun?: Served,
): Promise<FakeLink> {
  const common = { trustDomain, keyType: 'ec-p256', clock, random } as const
  const x509 = await createEmbeddedAuthority({
    ...common,
    caTtlMs: 24 * HOUR,
    store: createFileSlotStore(createStateFile(), { kind: 'embedded', trustDomain }),
  })
  const jwt = await createJwtAuthority({
    ...common,
    keyTtlMs: 24 * HOUR,
    store: createJwtSlotStore(createStateFile(), trustDomain),
  })
  const served = createFeed<Served | undefined>(begun)
  const state = createFeed<LinkState>(UP)
  const ownBundle = (): ServedBundle => ({
    bundle: {
      trustDomain,
      x509Authorities: x509.state.current.anchors,
      jwtAuthorities: jwt.state.current.keys,
    },
    taintedX509: x509.state.current.taintedAnchors ?? [],
    taintedJwt: [],
  })
  const entryOf = (id: EntryId): ServerEntry => {
    if (state.current.fault !== undefined)
      throw new SpindleError('authority_unavailable', state.current.fault)
    const entry = served.current?.entries.find((one) => one.id === id)
    if (entry === undefined) throw new SpindleError('no_identity', `${id}: no such entry`)
    return entry
  }
  const link: FakeLink = {
    served,
    state,
    asked: [],
    told: [],
    closed: false,
    ttlMs: HOUR,
    away(isAway) {
      state.set(isAway ? { ...UP, fault: 'connection refused' } : UP)
    },
    serve(entries, bundles = []) {
      const all = [ownBundle(), ...bundles]
      served.set({ entries, bundles: new Map(all.map((one) => [one.bundle.trustDomain, one])) })
    },
    rotate: (taint) => rotate(x509, taint),
    async signX509({ entryId, csr }) {
      link.asked.push({ entryId, at: clock.now() })
      const { spiffeId, dnsNames } = entryOf(entryId)
      const { spki } = readCsr(csr)
      return x509.issue({ spiffeId, dnsNames, spki, ttlMs: link.ttlMs })
    },
    async signJwt({ entryId, audience }) {
      const { spiffeId } = entryOf(entryId)
      return jwt.issue({ spiffeId, audience, ttlMs: 300_000 })
    },
    holding: () => ({ x509: [], jwt: [] }),
    holds(read) {
      link.holding = read
      link.told.push(read())
    },
    async close() {
      link.closed = true
      await Promise.all([x509.close(), jwt.close()])
    },
  }
  return link
}

async function rotate(x509: ServerX509Authority, taint: boolean): Promise<void> {
  const before = x509.state.current.slots.find(({ status }) => status === 'active')
  await x509.prepare()
  await x509.activate()
  if (taint && before !== undefined) await x509.taint(before.authorityId)
}

/** A bundle of another trust domain. */
export function servedBundle(name: string, authorities: readonly Uint8Array[]): ServedBundle {
  const bundle = {
    trustDomain: parseTrustDomain(name) as TrustDomain,
    x509Authorities: authorities,
    jwtAuthorities: [],
  }
  return { bundle, taintedX509: [], taintedJwt: [] }
}
