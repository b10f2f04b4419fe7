import assert from 'node:assert/strict'
import type {
  AuthorityEvent,
  AuthorityState,
  ServerX509Authority,
  X509Authority,
} from '../../src/authority/authority.ts'
import { createDiskAuthority } from '../../src/authority/disk.ts'
import { createEmbeddedAuthority } from '../../src/authority/embedded.ts'
import { createNestedAuthority } from '../../src/authority/server/nested.ts'
import { createFileSlotStore } from '../../src/authority/slot-file.ts'
import type { AuthorityOptions } from '../../src/authority/slot.ts'
import { generateKey } from '../../src/certs/keys.ts'
import { verifyX509Svid } from '../../src/certs/parse.ts'
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts'
import { createManualClock } from '../fakes/clock.ts'
import type { ManualClock } from '../fakes/clock.ts'
import { createDiskFiles, createOperatorCa } from '../fakes/operator-ca.ts'
import { createSeededRandom } from '../fakes/random.ts'
import { createStateFile } from '../fakes/state-file.ts'
import type { MemoryStateFile } from '../fakes/state-file.ts'
import { createUpstream } from '../fakes/upstream.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const CA_TTL = 60 * MINUTE
export const trustDomain = parseTrustDomain('example.org')
const web = parseSpiffeId('spiffe://example.org/web')

/** One kind of authority; `open` may be called again with the same file, as a restart does. */
export interface Kind {
  readonly name: string
  readonly open: (options: AuthorityOptions, file: MemoryStateFile) => Promise<ServerX509Authority>
}

export interface Setting {
  readonly clock: ManualClock
  readonly file: MemoryStateFile
  readonly events: AuthorityEvent[]
  readonly open: (more?: Partial<AuthorityOptions>) => Promise<ServerX509Authority>
}

const embedded: Kind = {
  name: 'embedded',
  open: (options, file) => {
    const about = { kind: 'embedded', trustDomain }
    const store = createFileSlotStore(file, about, options)
    return createEmbeddedAuthority({ ...options, store })
  },
}

async function disk(): Promise<Kind> {
  const notBefore = Date.UTC(2029, 0, 1)
  const root = await createOperatorCa({ name: 'root', notBefore, notAfter: Date.UTC(2049, 0, 1) })
  const signing = await createOperatorCa({
    name: 'signing',
    notBefore,
    notAfter: Date.UTC(2039, 0, 1),
    by: root,
  })
  const files = createDiskFiles({
    certFile: signing.certPem,
    keyFile: signing.keyPem,
    keyFileMode: 0o600,
    bundleFile: root.certPem,
  })
  return {
    name: 'disk',
    open: (options, file) => {
      const about = { kind: 'disk', trustDomain }
      const store = createFileSlotStore(file, about, options)
      return createDiskAuthority({ ...options, store, files, svidTtlMs: 10 * MINUTE })
    },
  }
}

async function nested(): Promise<Kind> {
  const life = { notBefore: Date.UTC(2029, 0, 1), notAfter: Date.UTC(2049, 0, 1) }
  const root = await createOperatorCa({ name: 'root', ...life })
  const signing = await createOperatorCa({ name: 'signing', ...life, by: root })
  return {
    name: 'nested',
    open: (options, file) => {
      const about = { kind: 'server', trustDomain }
      const store = createFileSlotStore(file, about, options)
      const upstream = createUpstream({ ...options, signing, above: [signing], roots: [root] })
      // As a server keeps its bundle: from the second start on it knows the roots.
      const knownRoots = file.text === undefined ? [] : upstream.roots
      return createNestedAuthority({ ...options, store, upstream, knownRoots })
    },
  }
}

export function setting(kind: Kind): Setting {
  const clock = createManualClock()
  const random = createSeededRandom(kind.name)
  const file = createStateFile()
  const events: AuthorityEvent[] = []
  return {
    clock,
    file,
    events,
    open: (more) =>
      kind.open(
        {
          trustDomain,
          keyType: 'ec-p256',
          caTtlMs: CA_TTL,
          clock,
          random,
          onEvent: (event) => events.push(event),
          ...more,
        },
        file,
      ),
  }
}

export const key = await generateKey('ec-p256')
export const request = { spiffeId: web, dnsNames: [], spki: key.spki, ttlMs: 10 * MINUTE }

export const statuses = (state: Pick<AuthorityState, 'slots'>): string[] =>
  state.slots.map((slot) => slot.status)
export const idOf = (state: Pick<AuthorityState, 'slots'>, status: string): string | undefined =>
  state.slots.find((slot) => slot.status === status)?.authorityId

export function verify(authority: X509Authority, chain: readonly Buffer[], now: number): void {
  const bundles = new Map([[trustDomain, authority.state.current.anchors]])
  assert.equal(verifyX509Svid(chain, bundles, { now, mode: 'strict' }), web)
}

/** Every kind of authority the contract holds for. */
export const kinds = [embedded, await disk(), await nested()]
